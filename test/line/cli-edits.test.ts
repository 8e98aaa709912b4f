/** The commands of edits, as people run them, on a real server. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/client/node.ts';
import { readMergeNpy, readSplitNpy, writeMergeNpy, writeSplitNpy } from '../../src/utility/edit-npy.ts';
import { DEMO_SPLIT } from '../../src/utility/legacy-text.ts';
import { npyHeader } from '../../src/utility/npy.ts';
import { type CliEnd, Commands } from '../support/cli.ts';
import { damageLog } from '../support/damage-log.ts';
import { needsBuild, temporaryFolder } from '../support/line-server.ts';
import { type KnownVolume, writeTiff } from '../support/volume-files.ts';

/** Eight bodies, 1 to 8, each a cube of 16 voxels a side. */
const CUBES: KnownVolume = (() => {
  const voxels = new Uint32Array(32 ** 3);
  for (let i = 0; i < voxels.length; i++) voxels[i] = 1 + ((i >> 4) & 1) + 2 * ((i >> 9) & 1) + 4 * ((i >> 14) & 1);
  return { dtype: 'uint32', shape: [32, 32, 32], bytes: new Uint8Array(voxels.buffer) };
})();
const MAX = '18446744073709551615';
const TIME = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`;

let top: Awaited<ReturnType<typeof temporaryFolder>>;
let commands: Commands;
let url = '';
const at = (name: string): string => path.join(top.path, name);
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
/** Each test has a channel of its own. */
const channelOf = (name: string): string => `root/vols/${name}/labels.tif`;

/** A channel that has three edits: merge 1 2, merge 2 3, cleave 2. No test adds to them. */
const EDITED = channelOf('e');

needsBuild();
beforeAll(async () => {
  top = await temporaryFolder('cli-edits');
  for (const name of 'abcdefghijkl') await writeTiff(at(`vols/${name}/labels.tif`), CUBES);
  await mkdir(at('legacy'));
  commands = new Commands(top.path);
  url = (await commands.serve('vols', '--data', 'store')).url;
  await done('edit', url, EDITED, 'merge', '1', '2');
  await done('edit', url, EDITED, 'merge', '2', '3');
  await done('edit', url, EDITED, 'cleave', '2');
}, 60_000);
afterAll(async () => {
  await commands.dispose();
  await top.dispose();
});

/** Runs a command to its end. */
function bfly(...args: string[]): Promise<CliEnd> {
  return commands.run(...args);
}

/** Runs one that must succeed. */
async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await bfly(...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
}

async function exported(channel: string, ...args: string[]) {
  return JSON.parse(await done('export', url, channel, ...args)) as {
    readonly seq: number;
    readonly epoch: string;
    readonly bodies: readonly (readonly string[])[];
    readonly regions: readonly unknown[];
    readonly rows: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
    readonly meta: Readonly<Record<string, unknown>>;
  };
}

describe('bfly edit', { timeout: 120_000 }, () => {
  it('says the seq and what came of it; ids are exact', async () => {
    const channel = channelOf('a');
    expect(await done('edit', url, channel, 'merge', '3', MAX, '--note', 'same axon')).toBe(
      `edit 1  merge 3, ${MAX} → 3\n`,
    );
    expect(await done('edit', url, channel, 'merge', '3', MAX)).toBe(
      `edit 2  merge 3, ${MAX} → 3  (nothing changed)\n`,
    );
    expect(JSON.parse(await done('edit', url, channel, 'cleave', MAX, '--json'))).toEqual({
      status: 'applied',
      seq: 3,
      dup: false,
      results: [{ root: MAX }],
    });
    expect((await exported(channel)).bodies).toEqual([]);
    expect(await done('edit', url, channel, 'undo', '3')).toBe('edit 4  undo 3\n');
    expect((await exported(channel)).bodies).toEqual([['3', MAX]]);
    expect(await done('edit', url, channel, 'redo', '3')).toBe('edit 5  undo 4\n');
    expect((await exported(channel)).bodies).toEqual([]);
    const again = await bfly('edit', url, channel, 'redo', '3');
    expect(again).toMatchObject({ code: 1, out: '' });
    expect(lines(again.err)).toEqual(['bfly: edit 3 is not undone, so there is nothing to redo; see bfly history']);
  });

  it('changes voxels: split by seeds and by a mask, write of a value and of an array', async () => {
    const channel = channelOf('b');
    const split = await done(
      'edit',
      url,
      channel,
      'split',
      '1',
      '--box',
      '0,0,0,16,16,16',
      '--seeds',
      '0,0,0,1;15,0,0,2',
    );
    expect(split).toBe('edit 1  split 1 → 9 (2,048 voxels)\n');
    await writeFile(at('mask.npy'), Buffer.concat([npyHeader('uint8', [4, 1, 1]), Uint8Array.of(0, 1, 1, 0)]));
    expect(await done('edit', url, channel, 'split', '1', '--box', '0,0,0,4,1,1', '--mask', 'mask.npy')).toBe(
      'edit 2  split 1 → 10 (2 voxels)\n',
    );
    expect(await done('edit', url, channel, 'write', '--box', '16,0,0,18,1,1', '--value', 'new')).toBe(
      'edit 3  write new into 16,0,0,18,1,1 → 11 (2 voxels)\n',
    );
    const voxels = new Uint8Array(Uint32Array.of(5, 6).buffer);
    await writeFile(at('voxels.npy'), Buffer.concat([npyHeader('uint32', [2, 1, 1]), voxels]));
    await done('edit', url, channel, 'write', '--box', '30,0,0,32,1,1', '--voxels', 'voxels.npy');
    expect((await bfly('pull', url, channel, '--box', '0,0,0,32,1,1', '-o', 'row.raw')).code).toBe(0);
    const row = await readFile(at('row.raw'));
    expect([...new Uint32Array(row.buffer.slice(row.byteOffset, row.byteOffset + 128))]).toEqual([
      ...[1, 10, 10, 1, 1, 1, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9],
      ...[11, 11, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 5, 6],
    ]);
    await writeFile(at('float.npy'), Buffer.concat([npyHeader('float32', [2, 1, 1]), voxels]));
    const wrong = await bfly('edit', url, channel, 'write', '--box', '30,0,0,32,1,1', '--voxels', 'float.npy');
    expect(wrong.code).toBe(1);
    expect(lines(wrong.err)).toEqual([
      'bfly: the file of --voxels holds float32, the channel uint32: save it as uint32',
    ]);
  });

  it('puts rows that export has written, and deletes them', async () => {
    const [from, to] = [channelOf('c'), channelOf('d')];
    const row = { kind: 'point', points: [1, 2, 3], text: 'here', ids: [MAX, 5] };
    await writeFile(at('rows.json'), JSON.stringify([row, { ...row, key: '9007199254740993' }]));
    // A key of that size is the last one used: the other row gets the next.
    expect(await done('edit', url, from, 'put', 'rows.json')).toBe(
      'edit 1  put annotation 9007199254740994, 9007199254740993\n',
    );
    const state = await exported(from);
    expect(state.rows['annotation']?.map(({ key, ids }) => [key, ids])).toEqual([
      ['9007199254740993', [MAX, '5']],
      ['9007199254740994', [MAX, '5']],
    ]);
    await writeFile(at('state.json'), JSON.stringify(state));
    await done('edit', url, to, 'put', 'state.json');
    expect((await exported(to)).rows).toEqual(state.rows);
    const taken = await bfly('edit', url, to, 'put', 'state.json', '--create');
    expect(taken.code).toBe(1);
    expect(lines(taken.err)).toEqual([expect.stringContaining('there is a row of key 9007199254740993 in annotation')]);
    await done('edit', url, to, 'delete', 'annotation', '9007199254740993', '9007199254740994');
    expect((await exported(to)).rows['annotation']).toEqual([]);
    await done('edit', url, to, 'meta', 'species', '{"name": "fly"}');
    expect((await exported(to)).meta).toEqual({ species: { name: 'fly' } });
    await done('edit', url, to, 'undo', '3');
    expect((await exported(to)).meta).toEqual({});
  });

  it('[E19] shows who was first, and what to do', async () => {
    const channel = channelOf('k');
    await done('edit', url, channel, 'merge', '1', '2');
    await done('edit', url, channel, 'merge', '2', '3');
    const lost = await bfly('edit', url, channel, 'cleave', '2', '--base', '1');
    expect(lost).toMatchObject({ code: 1, out: '' });
    expect(lines(lost.err)).toEqual([
      expect.stringMatching(/^SEQ +USER +EDIT$/),
      expect.stringMatching(/^ +2 +\S+ +merge 2, 3 → 1$/),
      'bfly: nothing was changed, 1 edit since 1 was first; look at it, then edit again with --base 2',
    ]);
    const machine = await bfly('edit', url, channel, 'cleave', '2', '--base', '1', '--json');
    expect(machine.code).toBe(1);
    expect(JSON.parse(machine.out)).toMatchObject({
      error: 'CONFLICT',
      head: 2,
      more: false,
      edits: [{ seq: 2, ops: [{ op: 'merge', ids: ['2', '3'] }], results: [{ root: '1' }] }],
    });
    expect(await done('edit', url, channel, 'cleave', '2', '--base', '2')).toBe('edit 3  cleave 2 → 2\n');
  });

  it.each([
    ['an edit that is none', 2, ['frob'], '"frob" is no edit'],
    ['too few ids', 2, ['merge', '1'], 'merge is written: merge ID ID…'],
    ['seeds that are none', 2, ['split', '1', '--seeds', '1,2,3'], 'x,y,z,group'],
    ['an id too large', 2, ['merge', '1', '18446744073709551616'], 'ids are whole numbers from 0 to 2^64-1'],
    ['an edit that was never made', 1, ['undo', '999'], '999'],
    ['a file that is not there', 1, ['put', 'none.json'], 'there is no none.json'],
    ['a box outside', 1, ['write', '--box', '90,0,0,99,1,1', '--value', '1'], 'box'],
  ])('ends for %s with %i and one line', async (_what, exit, words, message) => {
    const { code, out, err } = await bfly('edit', url, channelOf('f'), ...words);
    expect({ code, out }).toEqual({ code: exit, out: '' });
    expect(lines(err)).toEqual([expect.stringMatching(/^bfly: /)]);
    expect(err).toContain(message);
    expect(err).not.toContain('inside Butterfly');
  });
});

describe('bfly history', { timeout: 60_000 }, () => {
  it('lists what was done, in columns and in JSON, by seq, user and kind', async () => {
    const channel = EDITED;
    const out = await done('history', url, channel);
    expect(lines(out)).toEqual([
      expect.stringMatching(/^SEQ +TIME +USER +EDIT$/),
      ...['merge 1, 2 → 1', 'merge 2, 3 → 1', 'cleave 2 → 2'].map((edit, i) =>
        expect.stringMatching(new RegExp(`^ +${i + 1} +${TIME} +\\S+ +${edit}$`)),
      ),
    ]);
    const json = lines(await done('history', url, channel, '--json')).map((line) => JSON.parse(line));
    expect(json).toMatchObject([
      { seq: 1, ops: [{ ids: ['1', '2'] }], changes: { joined: [['2', '1']] } },
      { seq: 2 },
      { seq: 3, changes: { parted: [['2', ['2']]] } },
    ]);
    const seqs = async (...args: string[]): Promise<unknown[]> =>
      lines(await done('history', url, channel, '--json', ...args)).map((line) => JSON.parse(line).seq);
    expect(await seqs('--kind', 'cleave,undo')).toEqual([3]);
    expect(await seqs('--after', '1', '--limit', '1')).toEqual([2]);
    expect(await seqs('--last', '2')).toEqual([2, 3]);
    expect(await seqs('--user', json[0].user.id)).toEqual([1]);
    expect(await done('history', url, channel, '--after', '3')).toBe('no edits\n');
  });
});

describe('bfly watch', { timeout: 120_000 }, () => {
  it('shows edits and presence as they come, and ends after --count', async () => {
    const channel = channelOf('g');
    const people = commands.start('watch', url, channel, '--count', '2');
    const programs = commands.start('watch', url, channel, '--since', '0', '--json', '--count', '2');
    await people.errMatch(/live at edit 0/);
    await programs.errMatch(/live at edit 0/);
    const session = await connect(url, { name: 'Ada' });
    const subscription = session.subscribe(channel, { presence: true });
    subscription.presence.set({ cursor: [1.4, 2, 3], tool: 'merge', select: [2n ** 60n] });
    await people.outMatch(/Ada +is at 1, 2, 3, with merge, has selected 1152921504606846976\n/);
    await programs.outMatch(/"kind":"presence".*"select":\["1152921504606846976"\]/);
    await session.close();
    await people.outMatch(/Ada +left\n/);
    await done('edit', url, channel, 'merge', '1', '2', '--note', 'one');
    await done('edit', url, channel, 'undo', '1');
    const [human, machine] = await Promise.all([people.ended, programs.ended]);
    expect([human.code, machine.code]).toEqual([0, 0]);
    expect(lines(human.out).slice(-2)).toEqual([
      expect.stringMatching(new RegExp(`^${TIME} +\\S+ +1 +merge 1, 2 → 1 +# one$`)),
      expect.stringMatching(new RegExp(`^${TIME} +\\S+ +2 +undoes 1$`)),
    ]);
    const told = lines(machine.out).map((line) => JSON.parse(line));
    expect(told.filter(({ kind }) => kind === 'edit').map(({ seq }) => seq)).toEqual([1, 2]);
    expect(told.filter(({ kind, state }) => kind === 'presence' && state === null)).toHaveLength(1);
  });

  it('is seen by nobody, unless a name is given', async () => {
    const channel = channelOf('g');
    const session = await connect(url);
    const subscription = session.subscribe(channel, { presence: true });
    const seen = new Promise<string[]>((resolve) => {
      subscription.on('peers', (peers) => resolve(Array.from(peers.values(), ({ name }) => name)));
    });
    await subscription.ready;
    const silent = commands.start('watch', url, channel);
    await silent.errMatch(/live/);
    const named = commands.start('watch', url, channel, '--as', 'Ada, writing');
    await silent.outMatch(/Ada, writing +is here, with bfly watch\n/);
    // The first that anybody hears of.
    expect(await seen).toEqual(['Ada, writing']);
    named.kill('SIGINT');
    await silent.outMatch(/Ada, writing +left\n/);
    silent.kill('SIGINT');
    expect([(await named.ended).code, (await silent.ended).code]).toEqual([0, 0]);
    await session.close();
    const both = await bfly('watch', url, channel, '--as', 'Ada', '--no-presence');
    expect(both).toMatchObject({ code: 1, err: expect.stringContaining('give one of them') });
  });

  it('begins where it is told to, and ends quietly at Ctrl-C', async () => {
    const late = commands.start('watch', url, EDITED, '--since', '1');
    await Promise.all([late.outMatch(/ 3 +cleave 2/), late.errMatch(/live/)]);
    late.kill('SIGINT');
    expect(await late.ended).toMatchObject({ code: 0, err: 'bfly: live at edit 3\n' });
    expect(lines(late.out)).toEqual([
      expect.stringMatching(/ 2 +merge 2, 3 → 1$/),
      expect.stringMatching(/ 3 +cleave 2 → 2$/),
    ]);
  });

  it('misses no edit when the server goes away and comes back', async () => {
    const channel = channelOf('g');
    const server = await commands.serve('vols', '--data', 'store-restarted');
    const port = new URL(server.url).port;
    const watch = commands.start('watch', server.url, channel, '--count', '3');
    await watch.errMatch(/live at edit 0/);
    await done('edit', server.url, channel, 'merge', '1', '2');
    await watch.outMatch(/merge 1, 2/);
    server.kill('SIGKILL');
    await watch.errMatch(/the connection is lost; trying again/);
    const next = commands.start('serve', 'vols', '--data', 'store-restarted', '--port', port, '--log-level', 'error');
    await next.outMatch(/listening/);
    await done('edit', server.url, channel, 'merge', '3', '4');
    await done('edit', server.url, channel, 'merge', '5', '6');
    const { code, out } = await watch.ended;
    expect(code).toBe(0);
    expect(lines(out).map((line) => /merge (\d, \d)/.exec(line)?.[1])).toEqual(['1, 2', '3, 4', '5, 6']);
    next.kill('SIGTERM');
    await next.ended;
  });
});

describe('export and import', { timeout: 120_000 }, () => {
  const SETS = [
    ['1', '2', '3:4'],
    ['7', MAX.replace(/5$/, '3')],
  ];
  const SPLITS = [DEMO_SPLIT, '3:4:0:8:0:8:0:8', '6:1:0:0:0:0:0:0'];

  beforeAll(async () => {
    await writeFile(at('legacy/x.merge.npy'), writeMergeNpy(SETS));
    await writeFile(at('legacy/x.split.npy'), writeSplitNpy(SPLITS));
  });

  it('bring Butterfly’s files in and out again', async () => {
    const channel = channelOf('h');
    const { code, out, err } = await bfly('import', url, channel, '--npy', 'legacy');
    expect({ code, out }).toEqual({ code: 0, out: 'edits 1 to 2  2 sets of ids and 3 splits imported\n' });
    expect(lines(err)).toEqual([
      `bfly: x.split.npy holds the split ${DEMO_SPLIT}, which Butterfly’s viewer saved by itself; --drop-demo-split leaves it out`,
      `bfly: bfly edit ${url} ${channel} undo 1 2 takes it back`,
    ]);
    expect((await bfly('export', url, channel, '--npy', 'back')).code).toBe(0);
    expect(readMergeNpy(await readFile(at('back/labels.tif.merge.npy')))).toEqual(SETS);
    expect(readSplitNpy(await readFile(at('back/labels.tif.split.npy'))).sort()).toEqual([...SPLITS].sort());
  });

  it('[E14] run again change nothing, also after somebody has taken some of it apart', async () => {
    const channel = channelOf('l');
    expect((await bfly('import', url, channel, '--npy', 'legacy')).out).toContain('edits 1 to 2');
    const same = await bfly(
      'import',
      url,
      channel,
      '--npy',
      'legacy/x.merge.npy',
      'legacy/x.split.npy',
      '--drop-demo-split',
    );
    expect(same).toMatchObject({ code: 0, out: '', err: 'bfly: all of it was imported before; nothing was changed\n' });
    await done('edit', url, channel, 'cleave', '2');
    const cleaved = (await exported(channel)).bodies;
    const again = await bfly('import', url, channel, '--npy', 'legacy', '--drop-demo-split');
    expect(again).toMatchObject({
      code: 0,
      out: '',
      err: 'bfly: all of it was imported before, as edit 2; nothing was changed\n',
    });
    expect(await exported(channel)).toMatchObject({ seq: 3, bodies: cleaved });
    await done('edit', url, channel, 'undo', '1', '2', '3');
    expect(await exported(channel)).toMatchObject({ bodies: [], regions: [], meta: {} });
  });

  it('go on after being killed, and the whole is there once', async () => {
    const channel = channelOf('i');
    // Three edits: more ids than two messages hold.
    const set = Array.from({ length: 150_000 }, (_, i) => String(i + 1));
    await writeFile(at('large.merge.npy'), writeMergeNpy([set]));
    const watch = commands.start('watch', url, channel, '--count', '1');
    await watch.errMatch(/live/);
    const cut = commands.start('import', url, channel, '--npy', 'large.merge.npy');
    await watch.ended;
    cut.kill('SIGKILL');
    await cut.ended;
    expect((await bfly('import', url, channel, '--npy', 'large.merge.npy')).code).toBe(0);
    const { seq, bodies } = await exported(channel);
    expect([seq, bodies.length, bodies[0]?.length]).toEqual([3, 1, 150_000]);
    // Edits too large for a page of history are read all the same.
    expect((await exported(channel, '--at', '1')).bodies.map((ids) => ids.length)).toEqual([65_536]);
    expect(lines(await done('history', url, channel))[1]).toMatch(/merge → 1 \(too large to show\)/);
    expect(await done('verify', url, channel)).toMatch(/ 3 +149999 +ok\n$/);
  });

  it('export a state of the past', async () => {
    const channel = EDITED;
    expect((await exported(channel, '--at', '2')).bodies).toEqual([['1', '2', '3']]);
    expect((await exported(channel, '--at', '0')).bodies).toEqual([]);
    const future = await bfly('export', url, channel, '--at', '99');
    expect(future).toMatchObject({ code: 1, err: `bfly: ${channel} has 3 edits; --at is at most 3\n` });
  });

  it('name what cannot be imported', async () => {
    await mkdir(at('mixed'), { recursive: true });
    for (const name of ['a.merge.npy', 'b.merge.npy']) await writeFile(at(`mixed/${name}`), writeMergeNpy([]));
    await writeFile(at('broken.merge.npy'), 'none');
    for (const [files, message] of [
      ['mixed', 'mixed holds files of several channels (a, b); name those of one'],
      ['vols', 'there is no NAME.merge.npy and no NAME.split.npy in vols'],
      ['vols/a/labels.tif', 'labels.tif must be a file NAME.merge.npy or NAME.split.npy'],
      ['broken.merge.npy', 'broken.merge.npy: the merge file must be a .npy file'],
      ['nowhere', 'there is no nowhere'],
    ] as const)
      expect(await bfly('import', url, channelOf('j'), '--npy', files)).toMatchObject({
        code: 1,
        err: `bfly: ${message}\n`,
      });
    const empty = await bfly('import', url, channelOf('j'), '--npy', 'mixed/a.merge.npy');
    expect(empty).toMatchObject({ code: 0, err: 'bfly: there is nothing in a.merge.npy, so nothing was changed\n' });
  });
});

describe('backup, restore and verify', { timeout: 120_000 }, () => {
  let backup: CliEnd;
  let restore: CliEnd;
  beforeAll(async () => {
    backup = await bfly('backup', 'copy', '--data', 'store');
    restore = await bfly('restore', 'copy', '--data', 'restored');
  }, 60_000);

  it('copy a store that is served, and make another of it with new epochs [S1]', async () => {
    const channel = EDITED;
    expect(backup).toMatchObject({ code: 0, out: '' });
    expect(backup.err).toMatch(
      /^bfly: [\d.]+ .*B written to copy; bfly restore copy --data FOLDER makes a store of it\n$/,
    );
    expect(await done('verify', 'copy', channel)).toMatch(/ 3 +1 +ok\n$/);
    expect(restore).toMatchObject({
      code: 0,
      err: 'bfly: copy restored to restored; serve it with: bfly serve --data restored\n',
    });
    const other = await commands.serve('vols', '--data', 'restored');
    const [here, there] = await Promise.all([
      exported(channel),
      done('export', other.url, channel).then((text) => JSON.parse(text)),
    ]);
    expect({ ...there, epoch: '' }).toEqual({ ...here, epoch: '' });
    expect(there.epoch).not.toBe(here.epoch);
    other.kill('SIGTERM');
    await other.ended;
    for (const args of [
      ['backup', 'copy', '--data', 'store'],
      ['restore', 'copy', '--data', 'restored'],
      ['backup', 'other', '--data', 'vols'],
      ['restore', 'vols', '--data', 'other'],
    ]) {
      const refused = await bfly(...args);
      expect({ code: refused.code, lines: lines(refused.err).length }).toEqual({ code: 1, lines: 1 });
    }
  });

  it('are told of at the start, where edits are restored whose paths are not served', async () => {
    await mkdir(at('nothing'));
    const other = await commands.serve('nothing', '--data', 'restored');
    await other.errMatch(/paths that are not served/);
    expect(other.err).toMatch(
      new RegExp(
        `^bfly: the store keeps \\d+ edits of \\d+ paths that are not served \\(.*\\); to see them, serve ${at('vols')} as well$`,
        'm',
      ),
    );
    other.kill('SIGTERM');
    await other.ended;
    const whole = await commands.serve('vols', '--data', 'restored');
    await done('info', whole.url, EDITED);
    whole.kill('SIGTERM');
    expect((await whole.ended).err).not.toContain('the store keeps');
  });

  it('prove that logs are whole, of a server, of a store in use, and without snapshots', async () => {
    const served = lines(await done('verify', url, EDITED));
    expect(served).toEqual([expect.stringMatching(/^PATH +EDITS /), expect.stringMatching(/^\S+ +3 +1 +ok$/)]);
    const all = lines(await done('verify', 'store', '--json')).map((line) => JSON.parse(line));
    expect(all.map(({ path: name }) => name)).toContain(EDITED);
    expect(all.flatMap(({ faults }) => faults)).toEqual([]);
    const inUse = await bfly('verify', 'store', '--drop-snapshots');
    expect(inUse.code).toBe(1);
    expect(lines(inUse.err)).toEqual([expect.stringMatching(/^bfly: process \d+ writes this database/)]);
    const dropped = await bfly('verify', 'restored', '--drop-snapshots');
    expect(dropped.code).toBe(0);
    expect(dropped.err).toMatch(/^bfly: the snapshots of \d+ logs were removed\n$/);
    const other = await commands.serve('vols', '--data', 'restored');
    expect(await done('verify', other.url, EDITED)).toMatch(/ 3 +1 +ok\n$/);
    other.kill('SIGTERM');
    await other.ended;
  });

  it('say where a log is not what it was', async () => {
    await damageLog(at('restored'), EDITED, 2);
    const { code, out, err } = await bfly('verify', 'restored', EDITED);
    expect(code).toBe(1);
    expect(out).toMatch(/: .*edit 2.*\n/);
    expect(lines(err)).toEqual([
      `bfly: the log of ${EDITED} is not what it should be, see above; keep the folder as it is, and restore a backup`,
    ]);
  });
});
