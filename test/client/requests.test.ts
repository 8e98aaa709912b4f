import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { ClientMessage } from '../../protocol/index.ts';
import { openSession, type Session } from '../../src/client/session.ts';
import { type FakeConnection, FakeServer, ManualClock, settled } from '../support/fake-server.ts';

async function stage(
  script?: (message: ClientMessage, connection: FakeConnection) => boolean | undefined,
): Promise<{ server: FakeServer; clock: ManualClock; session: Session }> {
  const server = new FakeServer();
  const clock = new ManualClock();
  server.script = script;
  const session = await openSession('ws://fake', {}, { openSocket: server.transport, clock });
  return { server, clock, session };
}

describe('questions', () => {
  it('[I5] list joins all pages', async () => {
    const names = Array.from({ length: 25 }, (_, i) => `d${i}`);
    const { session, server } = await stage((message, connection) => {
      if (message.kind !== 'LIST') return false;
      const from = message.after === undefined ? 0 : names.indexOf(message.after) + 1;
      const page = names.slice(from, from + 10);
      const next = from + 10 < names.length ? { next: page.at(-1) ?? '' } : {};
      const entries = page.map((name) => ({ name, kind: 'dataset' as const, path: `${message.path}/${name}` }));
      connection.send({ kind: 'LIST_OK', id: message.id, entries, ...next });
      return true;
    });
    const entries = await session.list('e/s');
    expect(entries.map((entry) => entry.name)).toEqual(names);
    expect(server.last.all('LIST').map((message) => message.after)).toEqual([undefined, 'd9', 'd19']);
    await session.list();
    expect(server.last.all('LIST').at(-1)?.path).toBe('');
  });

  it('[I8] unique joins all pages and keeps every bit of an id', async () => {
    const ids = [0n, 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
    const { session, server } = await stage((message, connection) => {
      if (message.kind !== 'UNIQUE') return false;
      const from = message.after === undefined ? 0 : ids.indexOf(message.after) + 1;
      const page = BigUint64Array.from(ids.slice(from, from + 2));
      const after = from + 2 < ids.length ? { after: page.at(-1) ?? 0n } : {};
      connection.send({
        kind: 'UNIQUE_OK',
        id: message.id,
        count: ids.length,
        ids: new Uint8Array(page.buffer),
        ...after,
      });
      return true;
    });
    const found = await session.unique('c', { mip: 1, box: [0, 0, 0, 9, 9, 9], map: 'merged', at: 5 });
    expect([...found]).toEqual(ids);
    expect(server.last.all('UNIQUE')[1]).toMatchObject({
      mip: 1,
      map: 'merged',
      at: 5,
      after: 2n ** 53n + 1n - 2n ** 53n,
    });
  });

  it('feature passes its value through', async () => {
    const { session, server } = await stage((message, connection) => {
      if (message.kind !== 'FEATURE') return false;
      connection.send({ kind: 'FEATURE_OK', id: message.id, value: { x: 1, y: 2, z: 3 } });
      return true;
    });
    await expect(session.feature('d', 'synapse_keypoint', { id: 2n ** 60n, mip: 1 })).resolves.toEqual({
      x: 1,
      y: 2,
      z: 3,
    });
    expect(server.last.all('FEATURE')[0]).toMatchObject({ feature: 'synapse_keypoint', key: 2n ** 60n, mip: 1 });
  });

  it('[X1] reject with the error of the table', async () => {
    const { session } = await stage((message, connection) => {
      if (message.kind !== 'INFO') return false;
      const details = { why: 'tests' };
      connection.send({
        kind: 'ERROR',
        id: message.id,
        code: 102,
        error: 'RATE_LIMITED',
        message: 'slow',
        retryMs: 50,
        details,
      });
      return true;
    });
    await expect(session.info('a')).rejects.toMatchObject({
      name: 'BflyError',
      code: 'RATE_LIMITED',
      message: 'slow',
      retryMs: 50,
      details: { why: 'tests' },
    });
  });

  it('[D17] are cancelled by their signal, and their late answers are ignored', async () => {
    const { session, server } = await stage((message) => message.kind === 'INFO');
    const control = new AbortController();
    const waiting = session.info('a', { signal: control.signal });
    const { id } = await server.last.next('INFO');
    control.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    await settled();
    expect(server.last.all('CANCEL')).toEqual([{ kind: 'CANCEL', id }]);
    server.last.send({ kind: 'LIST_OK', id, entries: [] });
    await settled();
    expect(session.state).toBe('live');
    const early = AbortSignal.abort(new Error('mine'));
    await expect(session.info('a', { signal: early })).rejects.toThrow('mine');
  });

  it('take their listener off the signal', async () => {
    const { session } = await stage();
    const { signal } = new AbortController();
    await session.info('gone', { signal }).catch(() => {});
    await session.list('', { signal }).catch(() => {});
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('[F7] never use an id that is in use', async () => {
    const { session, server } = await stage((message) => message.kind === 'INFO' && message.path === 'slow');
    const slow = Array.from({ length: 50 }, () => session.info('slow').catch(() => undefined));
    for (let i = 0; i < 50; i++) await session.info('x').catch(() => undefined);
    const open = server.last
      .all('INFO')
      .filter((message) => message.path === 'slow')
      .map((message) => message.id);
    const quick = server.last
      .all('INFO')
      .filter((message) => message.path === 'x')
      .map((message) => message.id);
    expect(new Set(open).size).toBe(50);
    expect(quick.filter((id) => open.includes(id) || id === 0)).toEqual([]);
    await session.close();
    await Promise.all(slow);
  });

  it('a value that cannot be sent fails alone', async () => {
    const { session } = await stage();
    await expect(session.feature('d', 'x', { id: 2n ** 70n })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    await expect(session.info('gone')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('[L1] the limits of the server', () => {
  it('hold back questions beyond the open requests that it allows', async () => {
    const open: number[] = [];
    let most = 0;
    const server = new FakeServer();
    const clock = new ManualClock();
    server.welcome = { limits: { requests: 20 } as never };
    server.script = (message, connection) => {
      if (message.kind !== 'INFO') return false;
      open.push(message.id);
      most = Math.max(most, open.length);
      setImmediate(() => {
        connection.send({
          kind: 'ERROR',
          id: open.shift() ?? 0,
          code: 203,
          error: 'NOT_FOUND',
          message: 'no',
          retryMs: null,
        });
      });
      return true;
    };
    const session = await openSession('ws://fake', {}, { openSocket: server.transport, clock });
    const asked = await Promise.allSettled(Array.from({ length: 100 }, () => session.info('a')));
    expect(asked.length).toBe(100);
    expect(most).toBeLessThanOrEqual(20);
    expect(most).toBeGreaterThan(8);
  });

  it('hold back frames beyond the rate that it allows', async () => {
    const server = new FakeServer();
    const clock = new ManualClock();
    server.welcome = { limits: { framesPerSecond: 100, framesBurst: 50 } as never };
    const session = await openSession('ws://fake', {}, { openSocket: server.transport, clock });
    const asked = Promise.allSettled(Array.from({ length: 200 }, () => session.info('a')));
    await settled();
    expect(server.last.all('INFO').length).toBe(45);
    await clock.advance(1_000);
    expect(server.last.all('INFO').length).toBeGreaterThan(125);
    expect(server.last.all('INFO').length).toBeLessThanOrEqual(150);
    await clock.advance(1_000);
    await asked;
    expect(server.last.all('INFO').length).toBe(200);
  });
});
