import { describe, expect, it } from 'vitest';
import type { BflyError, ServerMessage } from '../../protocol/index.ts';
import { pack } from '../../protocol/msgpack.ts';
import type { SessionState } from '../../src/client/connection.ts';
import type { ConnectOptions } from '../../src/client/options.ts';
import { openSession, type Session } from '../../src/client/session.ts';
import { endpointOf } from '../../src/client/socket.ts';
import { FakeServer, ManualClock, seededRandom, settled } from '../support/fake-server.ts';

interface Stage {
  readonly server: FakeServer;
  readonly clock: ManualClock;
  readonly open: (options?: ConnectOptions) => Promise<Session>;
}

function stage(random?: () => number): Stage {
  const server = new FakeServer();
  const clock = new ManualClock(random);
  const open = (options: ConnectOptions = {}): Promise<Session> =>
    openSession('ws://fake', options, { openSocket: server.transport, clock });
  return { server, clock, open };
}

/** Every state from now on. */
function statesOf(session: Session): SessionState[] {
  const states: SessionState[] = [];
  session.on('state', (state) => states.push(state));
  return states;
}

const errorReply = (
  id: number,
  code: number,
  error: BflyError['code'],
  retryMs: number | null = null,
): ServerMessage => ({
  kind: 'ERROR',
  id,
  code,
  error,
  message: 'because',
  retryMs,
});

describe('addresses', () => {
  it('[F1] end at /v1 where no path is given', () => {
    expect(endpointOf('ws://host:8080')).toBe('ws://host:8080/v1');
    expect(endpointOf('wss://host/')).toBe('wss://host/v1');
    expect(endpointOf('http://host:1')).toBe('ws://host:1/v1');
    expect(endpointOf('https://host/images/v1')).toBe('wss://host/images/v1');
  });

  it.each(['', 'host:8080', 'ftp://host', 'ws://', 'nonsense'])('refuse %j', (url) => {
    expect(() => endpointOf(url)).toThrow(expect.objectContaining({ name: 'BflyError', code: 'BAD_REQUEST' }));
  });
});

describe('connecting', () => {
  it('[H1] says HELLO first and resolves with WELCOME', async () => {
    const { server, open } = stage();
    const session = await open({
      token: 't',
      client: 'tests/1',
      name: 'Ada',
      color: '#fff',
      window: 100_000,
      frame: 40_000,
    });
    expect(session.state).toBe('live');
    expect(session.user).toEqual({ id: 'u1', name: 'Ada' });
    expect(session.server).toBe('fake/1');
    expect(session.limits.pulls).toBe(32);
    expect(server.last.url).toBe('ws://fake/v1');
    expect(server.last.protocols).toEqual(['bfly.v1']);
    const { received } = server.last;
    expect(received[0]).toMatchObject({
      kind: 'HELLO',
      v: [1],
      client: 'tests/1',
      name: 'Ada',
      color: '#fff',
      token: 't',
      win: 100_000,
      frame: 40_000,
    });
  });

  it('rejects where the socket cannot be opened, and does not come back by itself', async () => {
    const { server, clock, open } = stage();
    server.openings.push('refuse');
    await expect(open()).rejects.toMatchObject({ name: 'BflyError', code: 'UNAVAILABLE' });
    await clock.advance(60_000);
    expect(server.connections.length).toBe(1);
  });

  it('rejects after connectTimeoutMs', async () => {
    const { server, clock, open } = stage();
    server.openings.push('hang');
    const opening = open({ connectTimeoutMs: 2_000 });
    const outcome = expect(opening).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await clock.advance(2_000);
    await outcome;
    expect(server.last.closedByClient?.code).toBe(4308);
    expect(clock.timers).toBe(0);
  });

  it.each([
    [201, 'UNAUTHENTICATED'],
    [202, 'FORBIDDEN'],
    [208, 'UNSUPPORTED'],
    [102, 'RATE_LIMITED'],
  ] as const)('[H3] rejects with the ERROR that answers HELLO (%i)', async (code, error) => {
    const { server, open } = stage();
    server.script = (message, connection) => {
      connection.send(errorReply(message.id, code, error));
      return true;
    };
    await expect(open()).rejects.toMatchObject({ code: error, message: 'because' });
  });

  it('rejects a server of another version', async () => {
    const { server, open } = stage();
    server.welcome = { v: 2 };
    await expect(open()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(server.last.closedByClient?.code).toBe(4002);
  });

  it('is aborted by the signal, before and while it happens', async () => {
    const { server, open } = stage();
    const early = AbortSignal.abort();
    await expect(open({ signal: early })).rejects.toBe(early.reason);
    expect(server.connections.length).toBe(0);
    server.openings.push('hang');
    const late = new AbortController();
    const opening = open({ signal: late.signal });
    await settled();
    late.abort();
    await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
    expect(server.last.closedByClient?.code).toBe(1000);
  });

  it('[H8] asks the token function each time', async () => {
    const { server, clock, open } = stage();
    let n = 0;
    const session = await open({ token: async () => `token-${++n}` });
    server.last.drop();
    await clock.advance(30_000);
    expect(session.state).toBe('live');
    expect(server.connections.map((connection) => connection.all('HELLO')[0]?.token)).toEqual(['token-1', 'token-2']);
  });

  it('fails where the token function does', async () => {
    const { open } = stage();
    const opening = open({
      token: () => {
        throw new Error('no keychain');
      },
    });
    await expect(opening).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

describe('a living connection', () => {
  it('[C5] answers PING with PONG of the same id and scalar', async () => {
    const { server, open } = stage();
    await open();
    server.last.send({ kind: 'PING', id: 77, t: 'hi' });
    await settled();
    expect(server.last.all('PONG')).toEqual([{ kind: 'PONG', id: 77, t: 'hi' }]);
  });

  it('measures round trips', async () => {
    const { server, clock, open } = stage();
    const session = await open();
    await settled();
    server.script = (message) => message.kind === 'PING';
    const measured = session.ping();
    const ping = await server.last.next('PING');
    clock.skip(42);
    server.last.send({ kind: 'PONG', id: ping.id, t: null });
    await expect(measured).resolves.toBe(42);
  });

  it('[F3] [F6] passes over types, keys and trailing elements that it does not know', async () => {
    const { server, open } = stage();
    const session = await open();
    for (const frame of [
      [0x60, 0],
      [0x7e, 5, 'x'],
      [0x3f, 1, { a: 1 }],
      [0xee, 1, 'reply of a later version'],
      [0x7f, 0, 'beat', 'more'],
      [0x03, 0, 4301, 'soon', 5, 'more'],
    ])
      server.last.sendBytes(pack(frame).slice());
    await settled();
    expect(session.state).toBe('live');
  });

  it.each([
    ['bytes that are no MessagePack', new Uint8Array([0xc1])],
    ['no array', pack({ a: 1 }).slice()],
    ['text', 'hello'],
    ['a TILE with other tokens', Uint8Array.from({ length: 70 }, (_, i) => (i === 0 ? 0x9e : i === 1 ? 0x21 : 0))],
    ['a second WELCOME that answers nothing it could', pack([0x90, 0x7777, 5]).slice()],
    ['fields of the wrong kind', pack([0x22, 1, 'finished']).slice()],
  ])('[F4] closes with 4003 and an error that says so: %s', async (_what, data) => {
    const { server, clock, open } = stage();
    const session = await open();
    server.script = (message) => message.kind === 'INFO';
    const waiting = session.info('a');
    const outcome = expect(waiting).rejects.toMatchObject({
      name: 'BflyError',
      code: 'INTERNAL',
      message: expect.stringContaining('the server sent a frame that is not bfly.v1'),
    });
    server.last.sendBytes(data);
    await outcome;
    const end = await session.closed;
    expect(end.error).toMatchObject({ code: 'INTERNAL' });
    expect(session.state).toBe('closed');
    await clock.advance(60_000);
    expect(server.connections.length).toBe(1);
    expect(server.last.closedByClient?.code).toBe(4003);
  });

  it('closes with 4003 where an answer belongs to another request', async () => {
    const { server, open } = stage();
    const session = await open();
    server.script = (message, connection) => {
      if (message.kind !== 'INFO') return false;
      connection.send({ kind: 'LIST_OK', id: message.id, entries: [] });
      return true;
    };
    await expect(session.info('a')).rejects.toMatchObject({
      message: expect.stringContaining('LIST_OK came as an answer to INFO'),
    });
  });

  it('tells of an ERROR that belongs to no request', async () => {
    const { server, open } = stage();
    const session = await open();
    const errors: BflyError[] = [];
    session.on('error', (error) => errors.push(error));
    server.last.send(errorReply(0, 200, 'BAD_REQUEST'));
    await settled();
    expect(errors).toMatchObject([{ code: 'BAD_REQUEST', message: 'because' }]);
    expect(session.state).toBe('live');
  });

  it('[H10] sends a new token when the old one runs out', async () => {
    const { server, open } = stage();
    let n = 0;
    const session = await open({ token: () => `token-${++n}` });
    const names: string[] = [];
    session.on('renewed', () => names.push(session.user.name));
    server.last.send({ kind: 'AUTHREQ', id: 0, expiresInMs: 1_000 });
    const auth = await server.last.next('AUTH');
    expect(auth.token).toBe('token-2');
    await settled();
    expect(session.user).toEqual({ id: 'u2', name: 'Renewed' });
    expect(names).toEqual(['Renewed']);
  });

  it('[H10] says to the token function why it asks', async () => {
    const { server, clock, open } = stage();
    const wishes: string[] = [];
    await open({
      token: (wish) => {
        wishes.push(wish);
        return 'token';
      },
    });
    server.last.send({ kind: 'AUTHREQ', id: 0, expiresInMs: 1_000 });
    await settled();
    server.last.drop();
    await clock.advance(30_000);
    server.last.close(4201, 'expired');
    await clock.advance(0);
    expect(wishes).toEqual(['connect', 'ends', 'connect', 'refused']);
    server.last.drop();
    await clock.advance(30_000);
    expect(wishes.at(-1)).toBe('connect');
  });

  it('[H1] tells another name and colour by a connection that is made anew, as the same user', async () => {
    const { server, clock, open } = stage();
    const session = await open({ name: 'Ada', color: '#f00' });
    const states = statesOf(session);
    const info = session.info('a').catch(({ code }: BflyError) => code);
    session.introduce({ name: 'Grace' });
    await clock.advance(0);
    expect(states).toEqual(['offline', 'live']);
    expect(server.connections.length).toBe(2);
    expect(server.last.all('HELLO')[0]).toMatchObject({ name: 'Grace', color: '#f00', token: 'secret' });
    expect(session.secret).toBe('secret');
    await expect(info).resolves.toBe('NOT_FOUND'); // asked again, and answered
  });

  it('[H1] tells a name that was chosen while offline when it is back', async () => {
    const { server, clock, open } = stage();
    const session = await open({ name: 'Ada' });
    server.last.drop();
    await settled();
    session.introduce({ name: 'Grace' });
    await clock.advance(30_000);
    expect(server.connections.length).toBe(2);
    expect(server.last.all('HELLO')[0]?.name).toBe('Grace');
  });

  it('stops calling a listener that has unsubscribed', async () => {
    const { server, open } = stage();
    const session = await open();
    const heard: number[] = [];
    const forget = session.on('goaway', ({ code }) => heard.push(code));
    server.last.send({ kind: 'GOAWAY', id: 0, code: 4301, reason: 'bye', retryMs: 10 });
    await settled();
    forget();
    server.last.send({ kind: 'GOAWAY', id: 0, code: 4303, reason: 'bye', retryMs: 10 });
    await settled();
    expect(heard).toEqual([4301]);
  });
});

describe('a lost connection', () => {
  it('[C3] is made again after a jittered wait within its bounds', async () => {
    const seed = 7;
    const random = seededRandom(seed);
    const { server, clock, open } = stage(random);
    const session = await open();
    const states = statesOf(session);
    for (let attempt = 0; attempt < 10; attempt++) server.openings.push('refuse');
    server.last.drop();
    for (let attempt = 0; attempt < 10; attempt++) {
      const wait = clock.nextMs ?? 0;
      expect(wait, `seed ${seed}, attempt ${attempt}`).toBeGreaterThanOrEqual(500);
      expect(wait, `seed ${seed}, attempt ${attempt}`).toBeLessThanOrEqual(Math.min(30_000, 500 * 2 ** (attempt + 1)));
      await clock.advance(wait);
    }
    await clock.advance(30_000);
    expect(session.state).toBe('live');
    expect(states).toEqual(['offline', 'live']);
    expect(server.connections.length).toBe(12);
  });

  it('[C3] starts the back-off anew only after a connection that lasted', async () => {
    const { server, clock, open } = stage(() => 1 - 1e-9);
    await open();
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      server.last.drop();
      waits.push(Math.round(clock.nextMs ?? 0));
      await clock.advance(clock.nextMs ?? 0);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000]);
    await clock.advance(10_000);
    server.last.drop();
    expect(Math.round(clock.nextMs ?? 0)).toBe(1_000);
  });

  it('[C1] waits as long as GOAWAY asked', async () => {
    const { server, clock, open } = stage();
    const session = await open();
    server.last.send({ kind: 'GOAWAY', id: 0, code: 4301, reason: 'restart', retryMs: 7_000 });
    server.last.close(4301, 'restart');
    await settled();
    expect(session.state).toBe('offline');
    expect(clock.nextMs).toBeGreaterThanOrEqual(7_000);
    expect(clock.nextMs).toBeLessThanOrEqual(7_500);
  });

  it('[C1] believes GOAWAY where the close frame was lost', async () => {
    const { server, open } = stage();
    const session = await open();
    server.last.send({ kind: 'GOAWAY', id: 0, code: 4005, reason: 'banned', retryMs: 0 });
    await settled();
    server.last.drop();
    await expect(session.closed).resolves.toMatchObject({ code: 4005, error: { code: 'FORBIDDEN' } });
  });

  it.each([
    [4001, 'BAD_REQUEST'],
    [4002, 'UNSUPPORTED'],
    [4003, 'BAD_REQUEST'],
    [4004, 'LIMIT'],
    [4005, 'FORBIDDEN'],
  ] as const)('[C3] %i is not made again', async (code, error) => {
    const { server, clock, open } = stage();
    const session = await open();
    const waiting = expect(session.feature('a', 'b')).rejects.toMatchObject({ code: error });
    await settled();
    server.last.close(code, 'go');
    await waiting;
    await clock.advance(120_000);
    expect(server.connections.length).toBe(1);
    expect(session.state).toBe('closed');
    expect(clock.timers).toBe(0);
    await expect(session.info('a')).rejects.toMatchObject({ code: error });
  });

  it('[C3] 42xx is made again at once with a new token, then with back-off', async () => {
    const { server, clock, open } = stage();
    let n = 0;
    const session = await open({ token: () => `token-${++n}` });
    server.last.close(4201, 'expired');
    await clock.advance(0);
    expect(session.state).toBe('live');
    expect(server.last.all('HELLO')[0]?.token).toBe('token-2');
    server.last.close(4202, 'revoked');
    await clock.advance(0);
    expect(session.state).toBe('offline');
    await clock.advance(2_000);
    expect(session.state).toBe('live');
  });

  it('[C3] 42xx ends a session whose token is fixed', async () => {
    const { server, open } = stage();
    const session = await open({ token: 'fixed' });
    server.last.close(4201, 'expired');
    await expect(session.closed).resolves.toMatchObject({ code: 4201, error: { code: 'UNAUTHENTICATED' } });
  });

  it('[H9] an anonymous user comes back as the same one, or as a new one where that is refused', async () => {
    const { server, clock, open } = stage();
    const session = await open();
    expect(server.last.all('HELLO')[0]?.token).toBeUndefined();
    server.last.drop();
    await clock.advance(30_000);
    expect(server.last.all('HELLO')[0]?.token).toBe('secret');
    server.last.close(4201, 'unknown secret');
    await clock.advance(30_000);
    expect(session.state).toBe('live');
    expect(server.last.all('HELLO')[0]?.token).toBeUndefined();
  });

  it('is an error for everything under way with reconnect: false', async () => {
    const { server, open } = stage();
    server.script = (message) => message.kind !== 'HELLO';
    const session = await open({ reconnect: false });
    const info = expect(session.info('a')).rejects.toMatchObject({ name: 'BflyError', code: 'UNAVAILABLE' });
    const ping = expect(session.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const tile = expect(session.pull('a', { box: [0, 0, 0, 1, 1, 1], enc: ['raw'] }).next()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    await settled();
    server.last.drop();
    await Promise.all([info, ping, tile]);
    expect(session.state).toBe('closed');
  });

  it('[C6] is noticed when nothing was heard for twice the ping', async () => {
    const { server, clock, open } = stage();
    server.welcome = { ping: 1_000 };
    const session = await open();
    for (let i = 0; i < 5; i++) {
      await clock.advance(900);
      server.last.send({ kind: 'BEAT', id: 0 });
      await settled();
    }
    expect(session.state).toBe('live');
    await clock.advance(1_999);
    expect(session.state).toBe('live');
    await clock.advance(1);
    expect(session.state).toBe('offline');
    expect(server.connections[0]?.closedByClient?.code).toBe(4308);
    expect(server.connections[0]?.isTerminated).toBe(true);
    await clock.advance(2_000);
    expect(session.state).toBe('live');
  });

  it('[C6] is not taken for dead by a machine that has slept, where the server is heard at once', async () => {
    const { server, clock, open } = stage();
    const session = await open();
    clock.skip(600_000);
    await clock.advance(0);
    expect(session.state).toBe('live');
    server.last.send({ kind: 'BEAT', id: 0 });
    await clock.advance(1_000);
    expect(session.state).toBe('live');
    clock.skip(600_000);
    await clock.advance(1_000);
    expect(session.state).toBe('offline');
  });

  it('asks again what was under way, and what was asked meanwhile', async () => {
    const { server, clock, open } = stage();
    server.script = (message) => message.kind === 'INFO';
    server.volumes.set('a', { dtype: 'uint8', offset: [0, 0, 0], shape: [4, 4, 4], chunk: [4, 4, 4], voxel: () => 1 });
    const session = await open();
    const before = session.info('a');
    await server.last.next('INFO');
    server.last.drop();
    const meanwhile = session.info('a');
    server.script = undefined;
    await clock.advance(30_000);
    expect((await before).path).toBe('a');
    expect((await meanwhile).path).toBe('a');
    expect(server.last.all('INFO').length).toBe(2);
  });

  it('[C4] asks on the next line what was refused because the server shuts down', async () => {
    const { server, clock, open } = stage();
    server.volumes.set('a', { dtype: 'uint8', offset: [0, 0, 0], shape: [4, 4, 4], chunk: [4, 4, 4], voxel: () => 1 });
    server.script = (message, connection) => {
      if (message.kind !== 'INFO' && message.kind !== 'PULL') return false;
      connection.send({ kind: 'GOAWAY', id: 0, code: 4301, reason: 'down', retryMs: 0 });
      connection.send(errorReply(message.id, 101, 'UNAVAILABLE', 1_000));
      return true;
    };
    const session = await open();
    const info = session.info('a');
    const pulled = session.pull('a', { box: [0, 0, 0, 4, 4, 4], enc: ['raw'] }).next();
    await settled();
    const held = session.info('a');
    await settled();
    expect(server.last.all('INFO').length).toBe(1);
    server.script = undefined;
    server.last.close(4301, 'down');
    await clock.advance(30_000);
    expect((await info).path).toBe('a');
    expect((await held).path).toBe('a');
    expect((await pulled).value?.box).toEqual([0, 0, 0, 4, 4, 4]);
  });
});

describe('the end of a session', () => {
  it('closes the socket, ends what is under way and forgets its timers', async () => {
    const { server, clock, open } = stage();
    server.script = (message) => message.kind !== 'HELLO';
    const session = await open();
    const info = expect(session.info('a')).rejects.toMatchObject({ code: 'CANCELLED' });
    await settled();
    await expect(session.close()).resolves.toEqual({ code: 1000, reason: '' });
    await info;
    await settled();
    expect(server.last.closedByClient?.code).toBe(1000);
    expect(session.state).toBe('closed');
    expect(clock.timers).toBe(0);
    await expect(session.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(session.info('a')).rejects.toMatchObject({ code: 'CANCELLED' });
    await session.close();
  });

  it('stops the coming back', async () => {
    const { server, clock, open } = stage();
    const session = await open();
    server.last.drop();
    await session.close();
    await clock.advance(60_000);
    expect(server.connections.length).toBe(1);
    expect(clock.timers).toBe(0);
  });

  it('may be asked for in a listener', async () => {
    const { server, clock, open } = stage();
    const session = await open();
    session.on('state', (state) => {
      if (state === 'offline') void session.close();
    });
    server.last.drop();
    await clock.advance(60_000);
    expect(session.state).toBe('closed');
    expect(server.connections.length).toBe(1);
  });

  it('comes with the signal of connect', async () => {
    const { open } = stage();
    const control = new AbortController();
    const session = await open({ signal: control.signal });
    control.abort();
    await expect(session.closed).resolves.toMatchObject({ error: { name: 'AbortError' } });
    await expect(session.info('a')).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('of one session leaves another alone', async () => {
    const { server, open } = stage();
    const [one, two] = await Promise.all([open({ name: 'one' }), open({ name: 'two' })]);
    server.volumes.set('a', { dtype: 'uint8', offset: [0, 0, 0], shape: [4, 4, 4], chunk: [4, 4, 4], voxel: () => 1 });
    await one.close();
    expect((await two.info('a')).path).toBe('a');
    expect(two.state).toBe('live');
  });
});
