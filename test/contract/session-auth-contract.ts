/** Who gets in, who may see what, and when that ends, whatever transport carries it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.ts';
import type { Box } from '../../protocol/volume.ts';
import { ed25519, ed25519Pair, forgeJwt, rulesOf, type TestAuthority, testAuthority } from '../support/auth.ts';
import { keepingLog, type LogLine } from '../support/keeping-log.ts';
import { Probe } from '../support/probe.ts';
import {
  patternBytes,
  startTestServer,
  type TestServer,
  type TestServerOptions,
  type TestVolume,
} from '../support/test-server.ts';

const volume = (path: string): TestVolume => ({
  path,
  data: patternBytes(64 ** 3),
  shape: [64, 64, 64],
  dtype: 'uint8',
});
const EM = 'lab/fly/cube/em';
const IDS = 'lab/fly/cube/ids';
const SECRET_EM = 'lab/wasp/cube/em';
const HIDDEN = 'vault/x/y/z';
const VOLUMES = [EM, IDS, SECRET_EM, HIDDEN, 'lab/fly2/cube/em'].map(volume);
const BOX: Box = [0, 0, 0, 64, 64, 64];

const ADA = 'the-token-of-ada-0123456789';
const BO = 'the-token-of-bo-0123456789';
const GONE = 'the-token-of-old-0123456789';
const START = Date.UTC(2026, 0, 1);
const pair = ed25519Pair();
const PEM = pair.pem.replace(/^/gm, '      ');

/** A file: ada may read and edit the fly, bo read everything, old's token has ended; tokens signed by `pair` hold too. */
const RULES = {
  ada: `  - {token: ${ADA}, user: ada, name: Ada Lovelace, grants: {lab/fly: edit}}\n`,
  bo: `  - {token: ${BO}, user: bo, grants: {"*": read}}\n`,
  old: `  - {token: ${GONE}, user: old, grants: {"*": read}, expires: 2025-12-31}\n`,
  jwt: `jwt:\n  - public-key: |\n${PEM}\n`,
};
const file = (tokens: string, more = ''): string => `tokens:\n${tokens}${RULES.jwt}${more}`;
const ALL = file(RULES.ada + RULES.bo + RULES.old);

/** A token of `user` that ends `ms` after the start. */
function jwt(user: string, ms: number, grants: readonly { path: string; rights: string[] }[] = []): string {
  const claims = { sub: user, exp: (START + ms) / 1_000, grants, jti: `${user}-${ms}` };
  return forgeJwt({ alg: 'EdDSA' }, claims, ed25519(pair.privateKey));
}

/** Defines the suite for one transport. */
export function sessionAuthContract(kind: 'ws' | 'uws'): void {
  describe(`tokens and rights over ${kind}`, () => {
    let server: TestServer | undefined;
    let authority: TestAuthority;
    let now = START;
    let log: LogLine[] = [];
    const probes: Probe[] = [];

    beforeEach(() => {
      now = START;
      log = [];
    });
    afterEach(async () => {
      for (const probe of probes.splice(0)) probe.close();
      await server?.stop(0);
      server = undefined;
      // Whatever a test did: nobody who reads the log learns a token.
      const lines = JSON.stringify(log);
      for (const token of [ADA, BO, GONE, jwt('eve', 60_000).split('.')[2] ?? '']) expect(lines).not.toContain(token);
    });

    const start = async (text = ALL, options: Partial<TestServerOptions> = {}): Promise<TestServer> => {
      authority = testAuthority(await rulesOf(text), () => now);
      const { timings, ...rest } = options;
      server = await startTestServer({
        ...{ kind, volumes: VOLUMES, authority, time: () => now, log: keepingLog(log) },
        timings: { sweepMs: 5, ...timings },
        ...rest,
      });
      return server;
    };
    const keep = (probe: Probe): Probe => {
      probes.push(probe);
      return probe;
    };
    const open = async (url: string, headers: Record<string, string> = {}): Promise<Probe> =>
      keep(await Probe.open(url, { headers }));
    const sayHello = (probe: Probe, fields: Partial<Extract<ClientMessage, { kind: 'HELLO' }>> = {}): void =>
      probe.send({
        kind: 'HELLO',
        id: 1,
        v: [1],
        client: 'probe',
        feat: ['pull', 'unique', 'auth', 'subscribe'],
        ...fields,
      });
    const hello = async (url: string, token: string, fields = {}): Promise<Probe> => {
      const probe = await open(url);
      sayHello(probe, { token, ...fields });
      await probe.next('WELCOME', 1);
      return probe;
    };
    /** Resolves when the server has looked at its sessions, and what that made it send has come. */
    const swept = async (probe: Probe): Promise<void> => {
      server?.hub.sweep();
      await probe.settle();
    };
    /** Puts another file in place. */
    const rules = async (text: string): Promise<void> => authority.replace(await rulesOf(text));

    it('[I1] INFO tells everybody their own rights, as they are now', async () => {
      const carl = 'the-token-of-carl-0123456789';
      const { url } = await start(
        `${ALL}anonymous: {lab/fly/cube/em: read}`.replace(
          'jwt:',
          `  - {token: ${carl}, user: carl, grants: {lab/fly/cube/em: edit-own, lab/fly/cube/ids: annotate, lab/wasp: admin}}\njwt:`,
        ),
      );
      const rights = async (probe: Probe, path: string): Promise<unknown> => {
        // Twice: first channels are opened, then replies are there.
        for (const id of [20, 21]) probe.send({ kind: 'INFO', id, path });
        const told = [];
        for (const id of [20, 21]) {
          const { info } = await probe.next('INFO_OK', id);
          told.push(info.kind === 'channel' ? info.rights : info.channels.map((channel) => channel.rights));
        }
        expect(told[0]).toEqual(told[1]);
        return told[1];
      };
      const edit = ['read', 'annotate', 'edit', 'edit-others'];
      const [ada, bo, other] = [await hello(url, ADA), await hello(url, BO), await hello(url, carl)];
      const visitor = await open(url);
      sayHello(visitor);
      await visitor.next('WELCOME');
      expect(await rights(ada, EM)).toEqual(edit);
      expect(await rights(bo, EM)).toEqual(['read']);
      expect(await rights(visitor, EM)).toEqual(['read']);
      expect(await rights(other, EM)).toEqual(['read', 'annotate', 'edit']);
      expect(await rights(bo, SECRET_EM)).toEqual(['read']);
      expect(await rights(other, SECRET_EM)).toEqual([...edit, 'admin']);
      expect(await rights(bo, SECRET_EM)).toEqual(['read']);
      expect(await rights(other, 'lab/fly/cube')).toEqual([
        ['read', 'annotate', 'edit'],
        ['read', 'annotate'],
      ]);
      expect(await rights(visitor, 'lab/fly/cube')).toEqual([['read']]);
      await rules(file(RULES.ada.replace('lab/fly: edit', 'lab/fly: annotate')));
      expect(await rights(ada, EM)).toEqual(['read', 'annotate']);
    });

    describe('at the door', () => {
      it('[H4] lets a user with a token in, and says until when it holds', async () => {
        const { url } = await start();
        const ada = await open(url);
        sayHello(ada, { token: ADA, name: 'Somebody Else' });
        const welcome = await ada.next('WELCOME', 1);
        expect(welcome).toMatchObject({ user: { id: 'ada', name: 'Ada Lovelace' }, session: '', now: START });
        expect(welcome.feat).toContain('auth');
        expect(welcome.exp).toBeUndefined();
        const eve = await open(url);
        sayHello(eve, { token: jwt('eve', 60_000) });
        expect(await eve.next('WELCOME', 1)).toMatchObject({ user: { id: 'eve' }, exp: START + 60_000 });
      });

      it.each([
        ['no token', undefined, 4005],
        ['an empty token', '', 4005],
        ['an unknown token', `${ADA}!`, 4005],
        ['a token that was made up', 'a.b.c', 4005],
        ['a secret of a session that nobody has', 'ab'.repeat(16), 4005],
        ['a token that has ended', GONE, 4201],
        ['a signed token that has ended', jwt('eve', -1_000), 4201],
      ] as const)('[H3] answers %s with UNAUTHENTICATED and closes', async (_what, token, code) => {
        const { url } = await start();
        const probe = await open(url);
        sayHello(probe, token === undefined ? {} : { token });
        const error = await probe.next('ERROR', 1);
        expect(error.code).toBe(201);
        if (token !== undefined && token !== '') expect(error.message).not.toContain(token);
        expect(await probe.closed).toEqual({ code, reason: error.message });
        expect(probe.peek('GOAWAY')).toEqual([]);
      });

      it('[H3] closes 4202 for a token that was taken back', async () => {
        const { url } = await start(`${ALL}revoked: [{user: bo}, {jti: eve-60000}]`);
        for (const token of [BO, jwt('eve', 60_000)]) {
          const probe = await open(url);
          sayHello(probe, { token });
          expect((await probe.next('ERROR', 1)).code).toBe(201);
          expect((await probe.closed).code).toBe(4202);
        }
      });

      it('[H8] takes the token of the handshake where HELLO has none', async () => {
        const { url } = await start();
        const ada = await open(url, { authorization: `Bearer ${ADA}` });
        sayHello(ada);
        expect((await ada.next('WELCOME')).user.id).toBe('ada');
        const bo = await open(url, { authorization: `bearer ${ADA}` });
        sayHello(bo, { token: BO });
        expect((await bo.next('WELCOME')).user.id).toBe('bo');
        // Of somebody in front of us.
        const proxied = await open(url, { authorization: 'Basic YTpi' });
        sayHello(proxied, { token: BO });
        expect((await proxied.next('WELCOME')).user.id).toBe('bo');
      });

      it('[H8] refuses a handshake with a token in its URL, or with one that is too long', async () => {
        const { url } = await start(ALL, { limits: { token: 64 } });
        await expect(Probe.open(`${url}?token=${ADA}`)).rejects.toThrow('400');
        await expect(Probe.open(`${url}?a=1&access_token=${ADA}`)).rejects.toThrow('400');
        const headers = { authorization: `Bearer ${'x'.repeat(65)}` };
        await expect(Probe.open(url, { headers })).rejects.toThrow('431');
      });

      it('[L1] refuses a token that is longer than it announces before it looks at it', async () => {
        const { url } = await start(ALL, { limits: { token: 1_024 } });
        const long = await open(url);
        sayHello(long, { token: 'x'.repeat(1_025) });
        expect(await long.next('ERROR', 1)).toMatchObject({ code: 205, message: 'a token may have 1024 bytes' });
        expect((await long.closed).code).toBe(4004);
        const longer = await open(url);
        sayHello(longer, { token: 'x'.repeat(8_193) });
        expect((await longer.closed).code).toBe(4001);
        expect(authority.looks).toBe(0);
      });

      it('[H9] makes a visitor the same user again by the secret of their session', async () => {
        const { url } = await start(file(RULES.ada, 'anonymous: {lab/fly2: read}'));
        const visitor = await open(url);
        sayHello(visitor, { name: 'Vi' });
        const first = await visitor.next('WELCOME');
        expect(first.session).toMatch(/^[0-9a-f]{32}$/);
        expect(first.user.id).not.toContain(first.session.slice(0, 8));
        const again = await open(url);
        sayHello(again, { token: first.session, name: 'Vi' });
        expect(await again.next('WELCOME')).toMatchObject({ user: first.user, session: first.session });
        const other = await open(url);
        sayHello(other, { name: 'Vi' });
        expect((await other.next('WELCOME')).user.id).not.toBe(first.user.id);
      });

      it('looks at no more tokens of an address after twenty that were refused, and at good ones as often as they come', async () => {
        let clock = 0;
        const { url } = await start(ALL, { now: () => clock });
        for (let n = 0; n < 25; n++) {
          const good = await hello(url, ADA);
          good.close();
        }
        for (let n = 0; n < 20; n++) {
          const probe = await open(url);
          sayHello(probe, { token: `${ADA}${n}` });
          expect((await probe.closed).code).toBe(4005);
        }
        const looks = authority.looks;
        const next = await open(url);
        sayHello(next, { token: `${ADA}!` });
        const error = await next.next('ERROR', 1);
        expect([error.code, error.retryMs]).toEqual([102, 1_000]);
        expect((await next.closed).code).toBe(4309);
        expect(authority.looks).toBe(looks);
        clock += 1_000;
        await hello(url, ADA);
      });
    });

    describe('while the token of HELLO is looked at', () => {
      let release: () => void = () => {};
      const hold = (): void => {
        authority.delay = new Promise((resolve) => {
          release = resolve;
        });
      };

      it('[H2] keeps what comes, in order, until WELCOME has been sent', async () => {
        const { url } = await start();
        hold();
        const probe = await open(url);
        sayHello(probe, { token: ADA });
        for (let t = 0; t < 20; t++) probe.send({ kind: 'PING', id: 2, t });
        probe.send({ kind: 'INFO', id: 3, path: EM });
        sayHello(probe);
        await expect.poll(() => authority.looks).toBe(1);
        expect(probe.inbox).toEqual([]);
        release();
        await probe.next('INFO_OK', 3);
        expect(await probe.next('ERROR', 1)).toMatchObject({ code: 200 });
        expect(probe.inbox[0]?.kind).toBe('WELCOME');
        expect(probe.peek('PONG').map(({ t }) => t)).toEqual(Array.from({ length: 20 }, (_, t) => t));
      });

      it('[H2] closes 4004 where that is more than 64 frames or 64 KiB', async () => {
        const { url } = await start();
        hold();
        const many = await open(url);
        sayHello(many, { token: ADA });
        for (let t = 0; t < 65; t++) many.send({ kind: 'PING', id: 2, t });
        expect((await many.closed).code).toBe(4004);
        const large = await open(url);
        sayHello(large, { token: ADA });
        large.sendRaw(new Uint8Array(64 * 1024 + 1));
        expect((await large.closed).code).toBe(4004);
        release();
        expect(many.inbox).toEqual([]);
      });

      it('[H2] still closes 4310 when the time for HELLO is over', async () => {
        const { url, hub } = await start(ALL, { timings: { helloMs: 50 } });
        hold();
        const probe = await open(url);
        sayHello(probe, { token: ADA });
        expect((await probe.closed).code).toBe(4310);
        release();
        await expect.poll(() => hub.size).toBe(0);
      });

      it('lets nobody in who has gone, and nobody whom the rules let in no more', async () => {
        const { url, hub } = await start();
        hold();
        const gone = await open(url);
        const bo = await open(url);
        sayHello(gone, { token: ADA });
        sayHello(bo, { token: BO });
        await expect.poll(() => authority.looks).toBe(2);
        gone.close();
        await expect.poll(() => hub.size).toBe(1);
        await rules(file(RULES.ada));
        release();
        expect((await bo.closed).code).toBe(4202);
        expect(bo.peek('WELCOME')).toEqual([]);
      });
    });

    describe('AUTH', () => {
      it('[H10] asks for a new token once, 60 s before the end, and goes on with it', async () => {
        const { url } = await start();
        const eve = await hello(url, jwt('eve', 600_000));
        now = START + 539_999;
        await swept(eve);
        expect(eve.peek('AUTHREQ')).toEqual([]);
        now = START + 541_000;
        expect(await eve.next('AUTHREQ', 0)).toMatchObject({ expiresInMs: 59_000 });
        await swept(eve);
        expect(eve.peek('AUTHREQ')).toEqual([]);
        eve.send({ kind: 'AUTH', id: 7, token: jwt('eve', 1_200_000) });
        expect(await eve.next('AUTH_OK', 7)).toEqual({
          ...{ kind: 'AUTH_OK', id: 7, exp: START + 1_200_000 },
          user: { id: 'eve', name: 'eve' },
        });
        now = START + 601_000;
        await swept(eve);
        expect(eve.peek('AUTHREQ')).toEqual([]);
        now = START + 1_140_000;
        await eve.next('AUTHREQ', 0);
      });

      it('[H10] asks half way through the life of a token that lives shorter than that', async () => {
        const { url } = await start();
        const eve = await hello(url, jwt('eve', 20_000));
        now = START + 9_999;
        await swept(eve);
        expect(eve.peek('AUTHREQ')).toEqual([]);
        now = START + 10_000;
        expect(await eve.next('AUTHREQ', 0)).toMatchObject({ expiresInMs: 10_000 });
      });

      it('[H5][H10] does not ask clients that do not know AUTH, and ends them with their token all the same', async () => {
        const { url } = await start();
        const eve = await hello(url, jwt('eve', 20_000), { feat: ['pull'] });
        now = START + 19_999;
        await swept(eve);
        expect(eve.peek('AUTHREQ')).toEqual([]);
        now = START + 20_000;
        expect(await eve.next('GOAWAY')).toMatchObject({ code: 4201, reason: 'the token has ended' });
        expect((await eve.closed).code).toBe(4201);
      });

      it('[H10] refuses the token of another user, and one that is no good; the one before goes on', async () => {
        const { url } = await start();
        const eve = await hello(url, jwt('eve', 60_000, [{ path: 'lab/fly', rights: ['read'] }]));
        eve.send({ kind: 'AUTH', id: 5, token: ADA });
        expect(await eve.next('ERROR', 5)).toMatchObject({ code: 202 });
        for (const token of ['', 'x', jwt('eve', -1_000), `${jwt('eve', 90_000)}A`]) {
          eve.send({ kind: 'AUTH', id: 5, token });
          expect(await eve.next('ERROR', 5)).toMatchObject({ code: 201 });
        }
        eve.send({ kind: 'INFO', id: 5, path: EM });
        await eve.next('INFO_OK', 5);
        now = START + 60_000;
        expect((await eve.closed).code).toBe(4201);
      });

      it('brings the rights of the new token at once, more and fewer', async () => {
        const { url } = await start();
        const eve = await hello(url, jwt('eve', 60_000, [{ path: 'lab/fly', rights: ['read'] }]));
        eve.send({ kind: 'AUTH', id: 5, token: jwt('eve', 70_000, [{ path: 'lab/wasp', rights: ['read'] }]) });
        eve.send({ kind: 'INFO', id: 8, path: HIDDEN });
        await eve.next('AUTH_OK', 5);
        eve.send({ kind: 'INFO', id: 6, path: EM });
        eve.send({ kind: 'INFO', id: 7, path: SECRET_EM });
        expect(await eve.next('ERROR', 6)).toMatchObject({ code: 203 });
        await eve.next('INFO_OK', 7);
      });

      it('[F7] keeps its id until it is answered, is one at a time, and can be cancelled', async () => {
        const { url } = await start();
        const ada = await hello(url, ADA);
        let release: () => void = () => {};
        authority.delay = new Promise((resolve) => {
          release = resolve;
        });
        ada.send({ kind: 'AUTH', id: 5, token: ADA });
        ada.send({ kind: 'INFO', id: 5, path: EM });
        expect((await ada.next('ERROR', 0)).message).toContain('the id 5 is in use');
        ada.send({ kind: 'AUTH', id: 6, token: ADA });
        expect(await ada.next('ERROR', 6)).toMatchObject({ code: 206 });
        ada.send({ kind: 'CANCEL', id: 5 });
        expect(await ada.next('ERROR', 5)).toMatchObject({ code: 207 });
        release();
        await ada.settle();
        expect(ada.peek('AUTH_OK')).toEqual([]);
        authority.delay = undefined;
        ada.send({ kind: 'AUTH', id: 5, token: ADA });
        expect(await ada.next('AUTH_OK', 5)).toMatchObject({ exp: null, user: { id: 'ada' } });
      });

      it('is limited like HELLO where tokens are refused again and again', async () => {
        const { url } = await start(ALL, { now: () => 0 });
        const ada = await hello(url, ADA);
        for (let n = 0; n < 20; n++) {
          ada.send({ kind: 'AUTH', id: 5, token: `${n}` });
          await ada.next('ERROR', 5);
        }
        ada.send({ kind: 'AUTH', id: 5, token: ADA });
        expect(await ada.next('ERROR', 5)).toMatchObject({ code: 102, retryMs: 1_000 });
        await ada.settle();
      });
    });

    describe('what one may read', () => {
      /** Everything that can be asked about a path. */
      const asked = (path: string): ClientMessage[] => {
        const wid = new Uint8Array(16);
        const box = { path, mip: 0, box: BOX };
        return [
          { kind: 'INFO', id: 10, path },
          { kind: 'UNIQUE', id: 11, ...box },
          { kind: 'PULL', id: 12, ...box },
          { kind: 'CUTOUT', id: 13, ...box },
          { kind: 'EDIT', id: 14, path, wid, wseq: 1, base: null, ops: [{ op: 'merge', ids: [1, 2] }] },
          { kind: 'SUBSCRIBE', id: 15, path, epoch: null, after: null },
          { kind: 'HISTORY', id: 16, path, after: 0, limit: 10 },
          { kind: 'LIST', id: 17, path },
          { kind: 'FEATURE', id: 18, path, feature: 'is_neuron', key: 1n },
          // Other faults of the question must not tell that the path is there.
          { kind: 'FEATURE', id: 19, path, feature: 'nonsense' },
          { kind: 'PULL', id: 20, ...box, map: 'merged' },
          { kind: 'PULL', id: 21, ...box, at: 7 },
          { kind: 'CUTOUT', id: 22, ...box, mip: 200 },
          { kind: 'UNIQUE', id: 23, ...box, epoch: new Uint8Array(8) },
          { kind: 'UNIQUE', id: 24, path, mip: 9, box: [0, 0, 0, 2 ** 30, 2 ** 30, 2 ** 30] },
          { kind: 'EDIT', id: 25, path, wid, wseq: 1, base: 5, epoch: new Uint8Array(8), ops: [{ op: 'nonsense' }] },
          { kind: 'SUBSCRIBE', id: 26, path, epoch: new Uint8Array(8), after: 9 },
        ];
      };
      const answers = async (probe: Probe, path: string): Promise<ServerMessage[]> => {
        const told: ServerMessage[] = [];
        for (const message of asked(path)) {
          probe.send(message);
          told.push(await probe.answer(message.id));
        }
        return told;
      };

      it('[F18] a path that is forbidden and one that is not there get the same answers', async () => {
        const { url } = await start();
        const ada = await hello(url, ADA);
        const unknown = await answers(ada, 'lab/wasp/cube/eh');
        for (const answer of unknown)
          expect(answer).toMatchObject({
            kind: 'ERROR',
            code: 203,
            message: 'there is no lab/wasp/cube/eh; LIST shows what there is',
          });
        const text = JSON.stringify(unknown);
        expect(JSON.stringify(await answers(ada, SECRET_EM)).replaceAll('/em', '/eh')).toBe(text);
        // Others have asked for it: it is open now.
        const bo = await hello(url, BO);
        bo.send({ kind: 'INFO', id: 2, path: SECRET_EM });
        await bo.next('INFO_OK', 2);
        expect(JSON.stringify(await answers(ada, SECRET_EM)).replaceAll('/em', '/eh')).toBe(text);
        for (const [forbidden, missing] of [
          ['lab/wasp/cube', 'lab/wasp/cubx'],
          ['lab/wasp', 'lab/wasx'],
          ['vault', 'vaulx'],
          ['lab/fly2', 'lab/flyx'],
        ] as const) {
          const there = JSON.stringify(await answers(ada, forbidden));
          expect(there.replaceAll(forbidden, missing)).toBe(JSON.stringify(await answers(ada, missing)));
        }
      });

      it('[I4] LIST leaves out what one may not read, and what holds nothing else', async () => {
        const { url } = await start();
        const names = async (probe: Probe, path: string, fields = {}): Promise<string[]> => {
          probe.send({ kind: 'LIST', id: 9, path, ...fields });
          return (await probe.next('LIST_OK', 9)).entries.map((entry) => entry.path);
        };
        const [ada, bo, eve] = await Promise.all([hello(url, ADA), hello(url, BO), hello(url, jwt('eve', 60_000))]);
        expect(await names(bo, '')).toEqual(['lab', 'vault']);
        expect(await names(bo, 'lab')).toEqual(['lab/fly', 'lab/fly2', 'lab/wasp']);
        expect(await names(ada, '')).toEqual(['lab']);
        expect(await names(ada, 'lab')).toEqual(['lab/fly']);
        expect(await names(ada, 'lab', { limit: 1 })).toEqual(['lab/fly']);
        expect(await names(ada, 'lab/fly/cube')).toEqual([EM, IDS]);
        expect(await names(eve, '')).toEqual([]);
      });

      it('[I2] INFO of a dataset leaves out the channels that one may not read', async () => {
        const { url } = await start();
        const eve = await hello(url, jwt('eve', 60_000, [{ path: IDS, rights: ['read'] }]));
        eve.send({ kind: 'INFO', id: 2, path: 'lab/fly/cube' });
        const { info } = await eve.next('INFO_OK', 2);
        expect(info.kind === 'dataset' && info.channels.map(({ path }) => path)).toEqual([IDS]);
      });

      it('grants of annotate and edit hold the right to read', async () => {
        const { url } = await start();
        for (const right of ['annotate', 'edit', 'edit-own', 'admin']) {
          const eve = await hello(url, jwt(`eve ${right}`, 60_000, [{ path: EM, rights: [right] }]));
          eve.send({ kind: 'INFO', id: 2, path: EM });
          await eve.next('INFO_OK', 2);
        }
      });
    });

    describe('when the rules change', () => {
      const shrunk = file(`  - {token: ${ADA}, user: ada, grants: {lab/fly/cube/em: read}}\n${RULES.bo}`);

      it('[C1] closes 4202 who is not let in any more, and nobody else', async () => {
        const { url } = await start();
        const [ada, bo] = await Promise.all([hello(url, ADA), hello(url, BO)]);
        await rules(file(RULES.bo));
        expect(await ada.next('GOAWAY')).toMatchObject({ code: 4202 });
        expect((await ada.closed).code).toBe(4202);
        await bo.settle();
        await rules(`${file(RULES.bo)}revoked: [{user: bo}]`);
        expect((await bo.closed).code).toBe(4202);
      });

      it('ends open streams of paths that may be read no more, and goes on with the others', async () => {
        const { url, hub } = await start();
        const ada = await hello(url, ADA, { win: 64 * 1024 });
        for (const [id, path] of [
          [2, EM],
          [3, IDS],
        ] as const) {
          ada.send({ kind: 'PULL', id, path, mip: 0, box: BOX });
          await ada.next('PULL_OK', id);
          ada.send({ kind: 'CUTOUT', id: id + 2, path, mip: 0, box: BOX });
          await ada.next('CUTOUT_OK', id + 2);
        }
        await rules(shrunk);
        for (const id of [3, 5]) {
          const error = await ada.next('ERROR', id);
          expect([error.code, error.message]).toEqual([203, `there is no ${IDS}; LIST shows what there is`]);
        }
        ada.send({ kind: 'CREDIT', id: 0, grants: [0, 2, 4].map((id) => [id, 2 ** 40] as const) });
        for (const id of [2, 4]) expect(await ada.next('END', id)).toMatchObject({ status: 'done' });
        await ada.settle();
        expect(ada.peek('END')).toEqual([]);
        expect(hub.use()).toMatchObject({ requests: 0, streams: 0 });
      });

      it('ends what was just opening when its path was taken away', async () => {
        let release: () => void = () => {};
        const opened = new Promise<void>((resolve) => {
          release = resolve;
        });
        const slow: TestVolume = {
          ...volume(IDS),
          wrap: (source) => ({
            ...source,
            async read(mip, box) {
              await opened;
              return source.read(mip, box);
            },
          }),
        };
        const { url, hub } = await start(ALL, { volumes: [volume(EM), slow] });
        const ada = await hello(url, ADA);
        ada.send({ kind: 'UNIQUE', id: 2, path: IDS, mip: 0, box: BOX });
        ada.send({ kind: 'CUTOUT', id: 3, path: IDS, mip: 0, box: BOX, format: 'png' });
        await expect.poll(() => hub.use().requests).toBe(2);
        await ada.settle();
        await rules(shrunk);
        release();
        for (const id of [2, 3]) expect(await ada.next('ERROR', id)).toMatchObject({ code: 203 });
        expect(hub.use()).toMatchObject({ requests: 0, streams: 0, cutouts: 0 });
      });

      it('[S4] ends subscriptions of paths that may be read no more, and tells so', async () => {
        const { url } = await start();
        const ada = await hello(url, ADA);
        for (const [id, path] of [
          [2, EM],
          [3, IDS],
        ] as const) {
          ada.send({ kind: 'SUBSCRIBE', id, path, epoch: null, after: null });
          await ada.next('SUBSCRIBE_OK', id);
        }
        await rules(shrunk);
        expect(await ada.next('UNSUBSCRIBED')).toMatchObject({ id: 3, code: 203 });
        await ada.settle();
        expect(ada.peek('UNSUBSCRIBED')).toEqual([]);
      });

      it('gives more rights at once', async () => {
        const { url } = await start(shrunk);
        const ada = await hello(url, ADA);
        ada.send({ kind: 'INFO', id: 2, path: IDS });
        expect(await ada.next('ERROR', 2)).toMatchObject({ code: 203 });
        await rules(ALL);
        ada.send({ kind: 'INFO', id: 2, path: IDS });
        await ada.next('INFO_OK', 2);
      });

      it('makes a new end of a token hold for those who are here', async () => {
        const { url } = await start();
        const ada = await hello(url, ADA);
        await rules(file(`  - {token: ${ADA}, user: ada, grants: {lab/fly: edit}, expires: 2026-01-01T01:00:00Z}\n`));
        now = START + 3_540_000;
        expect(await ada.next('AUTHREQ', 0)).toMatchObject({ expiresInMs: 60_000 });
        now = START + 3_600_000;
        expect((await ada.closed).code).toBe(4201);
      });
    });
  });
}
