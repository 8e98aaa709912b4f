/** Butterfly's own socket as a guest of this server: tokens, limits, liveness, the end. What it says: `test/parity/websocket.test.ts`. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Authority, Identity } from '../../../src/access/auth/authority.ts';
import { legacyPath } from '../../../src/access/legacy/legacy-sockets.ts';
import type { Right } from '../../../src/core/rights.ts';
import { HeldDatabase } from '../../support/held-database.ts';
import { LegacyClient } from '../../support/legacy-client.ts';
import { OPCODE, readClose } from '../../support/raw-websocket.ts';
import {
  startTestServer,
  type TestServer,
  type TestServerOptions,
  type TestVolume,
} from '../../support/test-server.ts';

const volume = (path: string): TestVolume => ({
  path,
  data: new Uint8Array(Uint32Array.from({ length: 64 }, (_, i) => i).buffer),
  shape: [4, 4, 4],
  dtype: 'uint32',
  type: 'segmentation',
});
const SEG = '/ws/e::s::d/seg';

/** Rules that a test changes. */
class Rules implements Authority {
  readonly isOpen = false;
  readonly rights = new Map<string, readonly Right[]>([
    ['ann', ['read', 'edit']],
    ['bob', ['read']],
    ['eve', []],
  ]);
  expiresAt: number | undefined;
  readonly #listeners = new Set<() => void>();

  identify(token: string | undefined) {
    const identity = token === undefined ? undefined : this.#identity(token);
    if (identity === undefined) return { refused: 'UNAUTHENTICATED', message: 'a token is needed' } as const;
    return { identity, session: '' };
  }

  renew({ user }: Identity): Identity | undefined {
    return this.#identity(user.id);
  }

  #identity(id: string): Identity | undefined {
    const rights = this.rights.get(id);
    if (rights === undefined) return undefined;
    const allows = (right: Right, path: string): boolean => rights.includes(right) && path.endsWith('/seg');
    return { user: { id, name: id }, rights: { allows }, ...(this.expiresAt && { expiresAt: this.expiresAt }) };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(): void {
    for (const listener of this.#listeners) listener();
  }

  async close(): Promise<void> {}
}

const servers: TestServer[] = [];
const clients: LegacyClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) await server.stop();
});

async function start(options: Partial<TestServerOptions> = {}): Promise<TestServer> {
  const server = await startTestServer({
    kind: 'ws',
    volumes: [volume('e/s/d/seg'), volume('e/s/d/hidden')],
    ...options,
  });
  servers.push(server);
  return server;
}

async function open(
  server: TestServer,
  token?: string,
  { path = SEG, headers = {} }: { path?: string; headers?: Record<string, string> } = {},
): Promise<LegacyClient> {
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const client = await LegacyClient.open(server.port, path, { headers: { ...authorization, ...headers } });
  clients.push(client);
  return client;
}

describe('who may open it', () => {
  it('[F18] needs a token that may read the channel; what may not be read is not there', async () => {
    const server = await start({ authority: new Rules() });
    const status = async (...args: [token?: string, options?: { path: string }]) =>
      (await open(server, ...args)).socket.status;
    expect(await status('ann')).toBe(101);
    expect(await status()).toBe(401);
    expect(await status('nobody')).toBe(401);
    expect(await status('eve')).toBe(404);
    expect(await status('ann', { path: '/ws/e::s::d/hidden' })).toBe(404);
    expect(await status('ann', { path: '/ws/e::s::d/none' })).toBe(404);
  });

  it('tries no more tokens of an address that has sent too many wrong ones', async () => {
    const server = await start({ authority: new Rules(), now: () => 0 });
    for (let i = 0; i < 20; i++) await open(server, 'wrong');
    expect((await open(server, 'ann')).socket.status).toBe(429);
  });

  it('[H8] comes from pages of this server and of the list only', async () => {
    const server = await start({ allowedOrigins: ['https://viewer.example.org'] });
    const from = async (Origin: string) => (await open(server, undefined, { headers: { Origin } })).socket.status;
    expect(await from('https://viewer.example.org')).toBe(101);
    expect(await from('https://else.example.org')).toBe(403);
  });

  it('[L1] counts among the connections of its address', async () => {
    const server = await start({ limits: { connectionsPerAddress: 2 } });
    const [first, , third] = [await open(server), await open(server), await open(server)];
    expect(third.socket.status).toBe(429);
    // Many at once, too, while their channel is being opened.
    const elsewhere = await start({ limits: { connectionsPerAddress: 2 } });
    const all = await Promise.all(Array.from({ length: 6 }, () => open(elsewhere)));
    expect(all.map(({ socket }) => socket.status).sort()).toEqual([101, 101, 429, 429, 429, 429]);
    first.socket.sendClose(1000);
    await first.socket.gone;
    while ((await open(server)).socket.status !== 101);
  });

  it('reads paths as Butterfly did, and no others', () => {
    expect(legacyPath('/ws/e::s::d/c')).toBe('e/s/d/c');
    expect(legacyPath('/ws/a%20b%3A%3As::d/c%2Ed/more')).toBe('a b/s/d/c.d');
    for (const path of [
      '/ws/',
      '/ws/e::s::d',
      '/ws/e::s::d::x/c',
      '/ws/e::s::d/a%2Fb',
      '/ws/e::s::d/..',
      '/wsx/e::s::d/c',
    ])
      expect(legacyPath(path), path).toBeUndefined();
  });
});

describe('what its users may', () => {
  it('tells a reader that saving needs the right to edit, and saves nothing', async () => {
    const server = await start({ authority: new Rules() });
    const [ann, bob] = [await open(server, 'ann'), await open(server, 'bob')];
    expect((await bob.next()).action).toBe('restore');
    for (const merge of [[['1', '2']], []])
      expect(await bob.save(merge)).toEqual({ action: 'error', error: expect.stringContaining('"edit"') });
    expect((await ann.next()).merge).toEqual([]);
    // Splits with an empty box are metadata, which others need to be admin for.
    expect((await ann.save([['1', '2']], ['3:0:0:0:0:0:0:0'])).split).toEqual(['3:0:0:0:0:0:0:0']);
    expect((await bob.next()).merge).toEqual([['1', '2']]);
  });

  it('ends with the right to read, and with the token', async () => {
    const rules = new Rules();
    let time = 1_000;
    const server = await start({ authority: rules, time: () => time });
    const [ann, bob] = [await open(server, 'ann'), await open(server, 'bob')];
    await ann.next();
    await bob.next();
    rules.rights.set('bob', []);
    rules.change();
    expect(readClose(await bob.socket.next()).code).toBe(4202);
    rules.expiresAt = 2_000;
    rules.change();
    server.hub.sweep();
    expect(await ann.heard()).toEqual([]);
    time = 2_000;
    server.hub.sweep();
    expect(readClose(await ann.socket.next()).code).toBe(4201);
  });
});

describe('its limits', () => {
  it('[L3] answers what comes too fast by an error', async () => {
    const server = await start({ limits: { editsPerSecond: 1, editsBurst: 2 }, now: () => 0 });
    const client = await open(server);
    await client.next();
    const actions: string[] = [];
    for (let i = 0; i < 3; i++) actions.push((await client.save([['1', `${2 + i}`]])).action);
    expect(actions).toEqual(['save', 'save', 'error']);
    expect((await client.restore()).tables.merge).toEqual([['1', '2', '3']]);
  });

  it('takes no more than 64 messages that wait', async () => {
    const client = await open(await start());
    await client.next();
    // In one write, so that they come together.
    client.socket.socket.cork();
    for (let i = 0; i < 100; i++) client.send({ action: 'save', merge: [['1', `${2 + i}`]] });
    client.socket.socket.uncork();
    let errors = 0;
    for (let size = 0; size < 65; ) {
      const { action, error, merge } = await client.next();
      if (action === 'error') {
        expect(error).toMatch(/64 messages/);
        errors++;
      } else size = merge?.[0]?.length ?? 0;
    }
    expect(errors).toBeGreaterThan(0);
    expect(errors).toBeLessThanOrEqual(36);
  });

  it('refuses a save of more ids than it can take at once', async () => {
    const client = await open(await start());
    await client.next();
    expect(await client.save([Array.from({ length: 131_073 }, (_, i) => String(i))])).toMatchObject({
      action: 'error',
    });
  });
});

describe('its life', () => {
  it('is pinged while it is quiet', async () => {
    let now = 0;
    const server = await start({ now: () => now });
    const client = await open(server);
    await client.next();
    now = 24_999;
    server.hub.sweep();
    now = 25_000;
    server.hub.sweep();
    server.hub.sweep();
    expect((await client.socket.next())?.opcode).toBe(OPCODE.ping);
    expect(await client.heard()).toEqual([]);
  });

  it('gives answers to who reads slowly as they are taken, and keeps few of them', async () => {
    const server = await start();
    const [slow, other] = [await open(server), await open(server)];
    await slow.next();
    await other.next();
    await other.save([Array.from({ length: 60_000 }, (_, i) => `${10n ** 17n + BigInt(i)}`)]);
    const { payload } = (await slow.socket.nextMessage()) ?? { payload: Buffer.alloc(0) };
    slow.socket.pause();
    const asked = 20;
    for (let i = 0; i < asked; i++) slow.send({ action: 'restore' });
    while (server.hub.use().bufferedBytes < 1024 * 1024) await other.heard();
    for (let i = 0; i < 50; i++) await other.heard();
    expect(server.hub.use().bufferedBytes).toBeLessThanOrEqual(1024 * 1024 + payload.length + 1_000);
    slow.socket.resume();
    for (let i = 0; i < asked; i++) expect((await slow.next()).merge?.[0]).toHaveLength(60_000);
    expect(await slow.heard()).toEqual([]);
  });

  it('is cut off where nothing leaves it for a minute', async () => {
    let now = 0;
    const server = await start({ now: () => now });
    const [deaf, other] = [await open(server), await open(server)];
    await other.next();
    await deaf.next();
    deaf.socket.pause();
    const most = Array.from({ length: 60_000 }, (_, i) => `${10n ** 17n + BigInt(i)}`);
    for (let i = 0; server.hub.use().bufferedBytes === 0; i++) {
      now += 200;
      await other.save([[...most, `${i}`]]);
    }
    server.hub.sweep();
    now += 61_000;
    server.hub.sweep();
    deaf.socket.resume();
    await deaf.socket.gone;
    expect(server.hub.legacy.size).toBe(1);
  });

  it('[C4] ends when the server does, with what was saved answered', async () => {
    const database = new HeldDatabase();
    const server = await start({ database });
    const client = await open(server);
    await client.next();
    const commit = database.hold();
    client.send({ action: 'save', merge: [['1', '2']] });
    const release = await commit;
    servers.splice(servers.indexOf(server), 1);
    const stopped = server.stop(10_000);
    release();
    expect(await client.next()).toMatchObject({ action: 'save', merge: [['1', '2']] });
    expect(readClose(await client.socket.next()).code).toBe(4301);
    await stopped;
  });
});
