/** Butterfly's own socket against what it should have been: cases 16 to 55 of the parity list, by number. Rule [E36]. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import type { Change, Database } from '../../src/database/database.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { ChildServer } from '../support/child-server.ts';
import { EditClient } from '../support/edit-client.ts';
import { HeldDatabase } from '../support/held-database.ts';
import { type LegacyAnswer, LegacyClient } from '../support/legacy-client.ts';
import { lineTransports, needsBuild, temporaryFolder } from '../support/line-server.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import {
  patternBytes,
  startTestServer,
  type TestServer,
  type TestServerOptions,
  type TestVolume,
} from '../support/test-server.ts';
import { fetchRaw } from '../support/transport-harness.ts';

type Table = readonly (readonly string[])[];

/** Saves in their order, each a merge table; the table that they must lead to. */
interface Merges {
  readonly saves: readonly (readonly unknown[])[];
  readonly required: Table;
}

const MERGES: Readonly<Record<string, Merges>> = {
  M1: { saves: [[['1', '2']]], required: [['1', '2']] },
  M2: { saves: [[['1', '2']], [['2', '3']]], required: [['1', '2', '3']] },
  M3: { saves: [[['2', '3']], [['1', '2']]], required: [['1', '2', '3']] },
  M4: {
    saves: [
      [
        ['1', '2'],
        ['2', '3'],
      ],
    ],
    required: [['1', '2', '3']],
  },
  M5: {
    saves: [
      [
        ['10', '20'],
        ['30', '40'],
        ['20', '30'],
      ],
    ],
    required: [['10', '20', '30', '40']],
  },
  M6: {
    saves: [
      [
        ['1', '2'],
        ['3', '4'],
      ],
      [['2', '4']],
    ],
    required: [['1', '2', '3', '4']],
  },
  M7: {
    saves: [
      [
        ['1', '2'],
        ['3', '4'],
      ],
      [['3', '2']],
    ],
    required: [['1', '2', '3', '4']],
  },
  M8: {
    saves: [
      [
        ['1', '2'],
        ['3', '4'],
      ],
      [['1', '3']],
    ],
    required: [['1', '2', '3', '4']],
  },
  M9: { saves: [[['10', '20']], [['30', '40']], [['20', '30']]], required: [['10', '20', '30', '40']] },
  M10: { saves: [[['1', '2']], [['1', '2']]], required: [['1', '2']] },
  M11: { saves: [[['5']]], required: [] },
  M12: { saves: [[['0', '7']]], required: [['0', '7']] },
  M13: {
    saves: [
      [
        ['1', '2'],
        ['1', '3'],
      ],
    ],
    required: [['1', '2', '3']],
  },
  M14: { saves: [[['4294967296', '4294967297']]], required: [['4294967296', '4294967297']] },
  M15: {
    saves: [[['9223372036854775806', '18446744073709551614']], [['18446744073709551615', '0']]],
    required: [
      ['0', '18446744073709551615'],
      ['9223372036854775806', '18446744073709551614'],
    ],
  },
  'M16, integers': { saves: [[[1, 9007199254740991]]], required: [['1', '9007199254740991']] },
  M17: { saves: [[['1', '3:4']]], required: [['1', '3:4']] },
  M18: { saves: [[['3', '3:1']]], required: [['3', '3:1']] },
  M19: { saves: [[['1:2', '3']]], required: [['1:2', '3']] },
  M20: { saves: [[[]], []], required: [] },
  M21: {
    saves: [[['1', '2:5']], [['2', '9']]],
    required: [
      ['1', '2:5'],
      ['2', '9'],
    ],
  },
};

interface Splits {
  readonly saves: readonly (readonly string[])[];
  readonly required: readonly string[];
}

const DEMO = '45:1:2:3:1:2:0:1';
const SPLITS: Readonly<Record<string, Splits>> = {
  S1: { saves: [[DEMO]], required: [DEMO] },
  S2: { saves: [[DEMO], ['46:1:0:8:0:8:0:8']], required: [DEMO, '46:1:0:8:0:8:0:8'] },
  S3: { saves: [[DEMO, '45:2:0:1:0:1:0:1']], required: [DEMO, '45:2:0:1:0:1:0:1'] },
  S5: { saves: [[`${DEMO}:99`]], required: [DEMO] },
  S6: { saves: [['45:0:0:0:0:0:0:0']], required: ['45:0:0:0:0:0:0:0'] },
  'S6, an empty box of a region': { saves: [[DEMO], ['45:1:0:0:0:0:0:0']], required: ['45:1:0:0:0:0:0:0'] },
  'S6, a region again': { saves: [['45:1:0:0:0:0:0:0'], [DEMO]], required: [DEMO] },
};

/** Voxels floor(v / 4) · 1000 of v = 48z + 8y + x: ids up to 47,000. */
function segmentation(path: string): TestVolume {
  const ids = Uint32Array.from({ length: 192 }, (_, v) => Math.floor(v / 4) * 1000);
  return { path, data: new Uint8Array(ids.buffer), shape: [8, 6, 4], dtype: 'uint32', type: 'segmentation' };
}

const VOLUMES: readonly TestVolume[] = [
  segmentation('e/s/d/seg'),
  segmentation('e/s/d/other'),
  { path: 'e/s/d/im', data: patternBytes(192), shape: [8, 6, 4], dtype: 'uint8' },
];
const SEG = '/ws/e::s::d/seg';

/** A database in memory that can be told to refuse. */
class FailingDatabase extends MemoryDatabase {
  fails = false;

  override commit(change: Change): Promise<void> {
    if (this.fails) return Promise.reject(new BflyError('UNAVAILABLE', 'the disk is full'));
    return super.commit(change);
  }
}

needsBuild();

describe.each(lineTransports("Butterfly's own socket"))("Butterfly's own socket on %s", (kind) => {
  const servers: TestServer[] = [];
  const clients: { close(): void }[] = [];
  const cleanups: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const server of servers.splice(0)) await server.stop();
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  const start = async (options: Partial<TestServerOptions> = {}): Promise<TestServer> => {
    const server = await startTestServer({ kind, volumes: VOLUMES, ...options });
    servers.push(server);
    return server;
  };
  const stop = async (server: TestServer): Promise<void> => {
    servers.splice(servers.indexOf(server), 1);
    await server.stop();
  };
  const join = async (server: { readonly port: number }, path = SEG): Promise<LegacyClient> => {
    const { client } = await LegacyClient.welcomed(server.port, path);
    clients.push(client);
    return client;
  };
  const tablesOf = async (server: { readonly port: number }, path = SEG): Promise<LegacyAnswer> => {
    const { client, welcome } = await LegacyClient.welcomed(server.port, path);
    client.close();
    return welcome;
  };
  const modern = async (server: TestServer): Promise<EditClient> => {
    const client = await EditClient.open(server.url);
    clients.push(client);
    return client;
  };
  /** A folder for an LMDB store, removed at the end. */
  const folder = async (): Promise<() => Promise<Database>> => {
    const temporary = await temporaryFolder('legacy');
    cleanups.push(() => temporary.dispose());
    return () => openLmdbDatabase(temporary.path, { log: SILENT_LOG });
  };

  it.each(Object.entries(MERGES).map(([name, merges], i) => [i + 16, name, merges] as const))(
    '[parity %i] %s: the table is as required after each order of saves',
    async (_number, _name, { saves, required }) => {
      const server = await start();
      const client = await join(server);
      let answer: LegacyAnswer | undefined;
      for (const merge of saves) answer = await client.save(merge);
      expect(answer).toEqual({ action: 'save', merge: required, split: [], error: '' });
      expect(await tablesOf(server)).toEqual({ action: 'restore', merge: required, split: [], error: '' });
    },
  );

  it.each([
    ['M15, beyond 2^64', [['18446744073709551616', '1']]],
    ['M16, letters', [['a', '1']]],
    ['M16, negative', [['-1', '1']]],
    ['M16, a number that is no integer', [[1.5, 2]]],
    ['M16, a number above 2^53-1', [[2 ** 53, 2]]],
    ['49, nine fields', [['1:2:3:4:5:6:7:8:9', '1']]],
    ['an empty text', [['', '1']]],
    ['a set that is no list', ['1']],
    ['a table that is no list', 'all'],
  ])('[parity 31] [parity 49] %s is an error for the sender alone, and nothing is saved', async (_name, merge) => {
    const server = await start();
    const [client, other] = [await join(server), await join(server)];
    await client.save([['1', '2']]);
    expect((await other.next()).merge).toEqual([['1', '2']]);
    client.send({ action: 'save', merge: [['8', '9'], ...(Array.isArray(merge) ? merge : [merge])] });
    const answer = await client.next();
    expect(answer.action).toBe('error');
    expect(answer.error).toMatch(/merge/);
    expect(await other.heard()).toEqual([]);
    expect((await client.restore()).tables.merge).toEqual([['1', '2']]);
  });

  // S1 is case 37.
  it.each(Object.entries(SPLITS).map(([name, splits]) => [36 + Number(name[1]), name, splits] as const))(
    '[parity %i] %s: the splits are as required',
    async (_number, _name, { saves, required }) => {
      const server = await start();
      const client = await join(server);
      for (const repeat of [1, 2])
        for (const split of repeat === 2 ? saves.slice(-1) : saves) {
          const answer = await client.save([], split);
          expect(answer.error).toBe('');
        }
      expect((await client.restore()).tables).toEqual({ action: 'restore', merge: [], split: required, error: '' });
    },
  );

  it('[parity 40] S4: a split of four fields is an error', async () => {
    const client = await join(await start());
    expect(await client.save([], ['45:1:2:3'])).toMatchObject({
      action: 'error',
      error: expect.stringContaining('split[0]'),
    });
    expect((await client.restore()).tables.split).toEqual([]);
  });

  it('[parity 43] 16 to 42 after a restart: every table comes back', async () => {
    const open = await folder();
    const names = [...Object.keys(MERGES), ...Object.keys(SPLITS)];
    const volumes = names.map((_name, i) => segmentation(`e/s/d/c${i}`));
    const first = await start({ volumes, database: await open() });
    for (const [i, name] of names.entries()) {
      const client = await join(first, `/ws/e::s::d/c${i}`);
      const { saves } = MERGES[name] ?? SPLITS[name] ?? { saves: [] };
      for (const table of saves) client.send({ action: 'save', [name in MERGES ? 'merge' : 'split']: table });
      await client.restore();
    }
    await stop(first);
    const second = await start({ volumes, database: await open() });
    for (const [i, name] of names.entries()) {
      const { merge, split } = await tablesOf(second, `/ws/e::s::d/c${i}`);
      expect({ name, merge, split }).toEqual({
        name,
        merge: MERGES[name]?.required ?? [],
        split: SPLITS[name]?.required ?? [],
      });
    }
  });

  it('[parity 46] any unions, in any messages, are the partition of a plain union-find, after a restart too', async () => {
    const random = seededRandom(testSeed(`unions on ${kind}`));
    const pick = (top: number): number => Math.floor(random() * top);
    const open = await folder();
    const server = await start({ database: await open(), limits: { editsPerSecond: 10_000, editsBurst: 10_000 } });
    const client = await join(server);
    const root = Array.from({ length: 800 }, (_, i) => i);
    const find = (i: number): number => (root[i] === i ? i : find(root[i] as number));
    for (let unions = 0, sent = 0; unions < 1_000; sent++) {
      const merge: string[][] = [];
      for (const most = 1 + pick(12); merge.length < most; unions++) {
        const nodes = Array.from({ length: 2 + pick(2) }, () => pick(800));
        for (const node of nodes) root[find(node)] = find(nodes[0] as number);
        merge.push(nodes.map(String));
      }
      client.send({ action: 'save', merge });
      if (sent % 40 === 39) await client.heard();
    }
    const bodies = new Map<number, string[]>();
    for (let i = 0; i < root.length; i++) bodies.set(find(i), [...(bodies.get(find(i)) ?? []), String(i)]);
    const required = [...bodies.values()].filter((body) => body.length > 1).sort((a, b) => Number(a[0]) - Number(b[0]));
    expect((await client.restore()).tables.merge).toEqual(required);
    await stop(server);
    expect((await tablesOf(await start({ database: await open() }))).merge).toEqual(required);
  });

  it('[parity 47] a save reaches the sockets of its channel alone, and a restore the one that asks', async () => {
    const server = await start();
    const [a, b, im, other] = await Promise.all([
      join(server),
      join(server),
      join(server, '/ws/e::s::d/im'),
      join(server, '/ws/e::s::d/other'),
    ]);
    expect(await a.heard()).toEqual([]);
    const required: LegacyAnswer = { action: 'save', merge: [['1', '2']], split: [], error: '' };
    expect(await a.save([['1', '2']])).toEqual(required);
    expect(await b.next()).toEqual(required);
    const { before, tables } = await im.restore();
    expect(before).toEqual([]);
    expect(tables.merge).toEqual([]);
    for (const client of [a, b, im, other]) expect(await client.heard()).toEqual([]);
  });

  it('[parity 48] other actions come back to the sender alone', async () => {
    const server = await start();
    const [a, b] = [await join(server), await join(server)];
    a.send({ action: 'foo', merge: [['1', '2']] });
    expect(await a.next()).toEqual({ action: 'foo', error: '' });
    a.send({});
    expect(await a.next()).toEqual({ action: '', error: '' });
    expect(await b.heard()).toEqual([]);
    expect((await a.restore()).tables.merge).toEqual([]);
  });

  it.each([
    ['JSON that is none', '{"action":'],
    ['a JSON list', '[]'],
    ['a JSON text', '"save"'],
    ['nothing', ''],
    ['save:x', { action: 'save:x', merge: [['1', '2']] }],
    ['restore:x', { action: 'restore:x' }],
    ['an action that is no text', { action: 5 }],
  ])('[parity 49] %s is an error, and the socket stays open', async (_name, message) => {
    const server = await start();
    const [a, b] = [await join(server), await join(server)];
    a.send(message);
    expect(await a.next()).toEqual({ action: 'error', error: expect.stringMatching(/\S/) });
    expect(await b.heard()).toEqual([]);
    expect((await a.restore()).tables.merge).toEqual([]);
  });

  it('[parity 49] binary garbage is an error, and the socket stays open', async () => {
    const client = await join(await start());
    client.socket.sendBinary(Buffer.from([0xff, 0, 0xfe, 0x93, 1]));
    expect(await client.next()).toEqual({ action: 'error', error: expect.stringMatching(/JSON/) });
    expect(await client.heard()).toEqual([]);
  });

  it.each([
    ['an unknown channel', '/ws/e::s::d/none'],
    ['an unknown dataset', '/ws/e::s::none/seg'],
    ['a token of two names', '/ws/e::s/seg'],
    ['no channel', '/ws/e::s::d'],
    ['a channel without a name', '/ws/e::s::d/'],
    ['names with slashes', '/ws/e%2Fs::s::d/seg'],
    ['a path that is no percent encoding', '/ws/e::s::%ff/seg'],
    ['a file that is missing', '/ws/e::s::d/missing'],
  ])('[parity 50] %s is refused before the socket is open', async (_name, path) => {
    const missing: TestVolume = {
      ...segmentation('e/s/d/missing'),
      wrap: () => {
        throw new BflyError('NOT_FOUND', 'the file is not there');
      },
    };
    const server = await start({ volumes: [...VOLUMES, missing] });
    const client = await LegacyClient.open(server.port, path);
    clients.push(client);
    expect(client.socket.status).toBe(404);
  });

  it('[parity 50] further parts of the path and a percent-encoded token are fine', async () => {
    const server = await start();
    for (const path of ['/ws/e::s::d/seg/extra', '/ws/e%3A%3As%3a%3ad/seg/', '/ws/e::s::d/seg?x=1'])
      expect((await tablesOf(server, path)).merge).toEqual([]);
  });

  it('[parity 51] a peer that is cut off or never reads holds nobody up', async () => {
    const server = await start();
    const [a, b, cut, deaf] = await Promise.all([join(server), join(server), join(server), join(server)]);
    deaf.socket.pause();
    cut.close();
    for (let i = 1; i <= 3; i++) {
      const merge = [Array.from({ length: 20_000 }, (_, k) => String(i * 100_000 + k))];
      expect((await a.save(merge)).merge).toHaveLength(i);
      expect((await b.next()).merge).toHaveLength(i);
    }
  });

  it('[parity 51] a peer that reads late is sent the newest tables, not every one of them', async () => {
    const server = await start();
    const [a, late] = [await join(server), await join(server)];
    late.socket.pause();
    // More than the sockets hold on the way.
    const merge = [Array.from({ length: 60_000 }, (_, k) => `${10n ** 17n + BigInt(k)}`)];
    const saves = 9;
    await a.save(merge);
    for (let i = 1; i < saves; i++) await a.save([[`${i}`, `${i}:1`]]);
    late.socket.resume();
    let answers = 0;
    for (let last = await late.next(); ; last = await late.next()) {
      answers++;
      if (last.merge?.length === saves) break;
    }
    expect(answers).toBeLessThan(saves);
    expect(await late.heard()).toEqual([]);
  });

  it('[parity 52] what was answered is there after a kill', { timeout: 60_000 }, async () => {
    const child = await ChildServer.start({ transport: kind });
    cleanups.push(() => child.dispose());
    const client = await join(child, '/ws/storm::s::d/seg');
    const answer = await client.save(
      [
        ['1', '2:7'],
        ['5', '6'],
      ],
      [DEMO],
    );
    await child.kill();
    expect(answer.merge).toEqual([
      ['1', '2:7'],
      ['5', '6'],
    ]);
    await child.restart();
    expect(await tablesOf(child, '/ws/storm::s::d/seg')).toEqual({ ...answer, action: 'restore' });
  });

  it('[parity 53] where the store refuses, the sender is told and others hear nothing', async () => {
    const database = new FailingDatabase();
    const server = await start({ database });
    const [a, b] = [await join(server), await join(server)];
    await a.save([['1', '2']]);
    expect((await b.next()).merge).toEqual([['1', '2']]);
    database.fails = true;
    const refused = await a.save([['2', '3']]);
    expect(refused).toEqual({ action: 'error', error: expect.stringMatching(/\S/) });
    expect(await b.heard()).toEqual([]);
    database.fails = false;
    let answer = await a.save([['4', '5']]);
    // The log may still be on its way back.
    while (answer.action === 'error') answer = await a.save([['4', '5']]);
    const required = [
      ['1', '2'],
      ['4', '5'],
    ];
    expect(answer.merge).toEqual(required);
    expect((await b.next()).merge).toEqual(required);
    expect((await tablesOf(server)).merge).toEqual(required);
  });

  it('[parity 54] others are answered between large saves', async () => {
    const server = await start();
    const [a, b] = [await join(server), await join(server, '/ws/e::s::d/im')];
    const saves = 20;
    for (let i = 0; i < saves; i++)
      a.send({ action: 'save', merge: [Array.from({ length: 5_000 }, (_, k) => String(i * 5_000 + k))] });
    const all = a.restore();
    let isOver = false;
    void all.then(() => {
      isOver = true;
    });
    expect(await b.heard()).toEqual([]);
    expect((await fetchRaw(server.port, '/healthz')).status).toBe(200);
    expect(isOver).toBe(false);
    expect((await all).tables.merge?.map((set) => set.length)).toEqual(Array.from({ length: saves }, () => 5_000));
  });

  it('[parity 55] the transcript of an old client', async () => {
    const server = await start();
    const { client: first, welcome } = await LegacyClient.welcomed(server.port, SEG);
    const second = await join(server);
    clients.push(first);
    expect(welcome).toEqual({ action: 'restore', merge: [], split: [], error: '' });
    first.send({ action: 'save', merge: [['45', '46']], split: [DEMO] });
    const saved: LegacyAnswer = { action: 'save', merge: [['45', '46']], split: [DEMO], error: '' };
    expect(await first.next()).toEqual(saved);
    expect(await second.next()).toEqual(saved);
    // Only sets with unsaved members, and the root of each, from the client's own tree.
    second.send({ action: 'save', merge: [['46', '47']], split: [DEMO] });
    const later = { ...saved, merge: [['45', '46', '47']] };
    expect(await second.next()).toEqual(later);
    expect(await first.next()).toEqual(later);
    // A reconnect says it all again.
    first.close();
    const again = await join(server);
    expect(await again.save([['45', '46', '47']], [DEMO])).toEqual(later);
    expect(await second.heard()).toEqual([]);
  });

  it('[E36] saves are edits to subscribers of bfly.v1, and their edits reach old clients', async () => {
    const server = await start();
    const client = await join(server);
    const other = await modern(server);
    const { id: sub } = await other.subscribe('e/s/d/seg', {
      after: 0,
      epoch: (await server.hub.openLog('e/s/d/seg')).log.epoch,
    });
    await client.save([
      ['45', '46'],
      ['7', '8:2'],
    ]);
    const [edit] = await other.toldUpTo(sub, 1);
    expect(edit?.['ops']).toMatchObject(['merge', 'region', 'merge'].map((op) => ({ op })));
    expect(edit?.['changes']).toMatchObject({ regions: [{ id: 8, region: 2, box: null }] });
    await other.edit('e/s/d/seg', [{ op: 'merge', ids: [46n, 47n] }]);
    expect((await client.next()).merge).toEqual([
      ['7', '8:2'],
      ['45', '46', '47'],
    ]);
    await other.edit('e/s/d/seg', [{ op: 'cleave', ids: [45n] }]);
    expect((await client.next()).merge).toEqual([
      ['7', '8:2'],
      ['46', '47'],
    ]);
  });

  it('[E36] a region keeps its box where others merge it at the same time', async () => {
    const database = new HeldDatabase();
    const server = await start({ database });
    const [a, b, c] = [await join(server), await join(server), await join(server)];
    const { log } = await server.hub.openLog('e/s/d/seg');
    const submit = vi.spyOn(log, 'submit');
    for (const region of [1, 2]) {
      // Both are made from what is there before either of them: nothing goes on while a commit is under way.
      const commit = database.hold();
      a.send({ action: 'save', merge: [['1', `${10 + region}`]] });
      const release = await commit;
      const saves = [
        () => b.send({ action: 'save', split: [`5:${region}:0:1:0:1:0:1`] }),
        () => c.send({ action: 'save', merge: [['9', `5:${region}`]] }),
      ];
      submit.mockClear();
      // Once the one comes first, once the other.
      for (const [i, save] of (region === 1 ? saves : saves.reverse()).entries()) {
        save();
        await vi.waitUntil(() => submit.mock.calls.length === i + 1);
      }
      release();
      await Promise.all([a.heard(), b.heard(), c.heard()]);
    }
    const { merge, split } = (await a.restore()).tables;
    expect(split).toEqual(['5:1:0:1:0:1:0:1', '5:2:0:1:0:1:0:1']);
    expect(merge).toEqual([
      ['1', '11', '12'],
      ['5:1', '5:2', '9'],
    ]);
  });

  it('[E36] many edits of others are told together, and the last of them always', async () => {
    const server = await start();
    const client = await join(server);
    const other = await modern(server);
    const count = 150;
    const merge = (i: number) => other.edit('e/s/d/seg', [{ op: 'merge', ids: [BigInt(i), BigInt(i + 1)] }]);
    for (let i = 0; i < count; i += 10) await Promise.all(Array.from({ length: 10 }, (_, k) => merge(i + k)));
    let answers = 0;
    for (let last = await client.next(); ; last = await client.next()) {
      answers++;
      if (last.merge?.[0]?.length === count + 1) break;
    }
    expect(answers).toBeLessThan(count / 2);
    expect(await client.heard()).toEqual([]);
  });
});
