import { describe, expect, it } from 'vitest';
import { leftOutOfNpy } from '../../src/commands/left-out.ts';
import { FakeLog } from './fake-log.ts';

const op = (name: string, fields: object = {}) => ({ ops: [{ op: name, ...fields }] });
const told = (log: FakeLog, upto = 99) => leftOutOfNpy(log.session, 'a/b/c/d', upto, new AbortController().signal);

describe('what the files of merges and splits leave out', () => {
  it('is nothing where there are merges, regions and the splits that they hold', async () => {
    const split = op('meta', { key: 'butterfly.split:46:0', value: [0, 0, 0, 0, 0, 0] });
    expect(await told(new FakeLog([op('merge'), op('cleave'), op('region'), split]))).toBeUndefined();
  });

  it('is counted by kind, as far as it is in force at the seq that was written', async () => {
    const log = new FakeLog([
      op('split'),
      { ops: [{ op: 'write' }, { op: 'put' }] },
      op('delete'),
      op('meta', { key: 'species' }),
      op('undo', { seq: 1 }),
      op('write'),
      op('undo', { seq: 6 }),
      op('undo', { seq: 7 }),
    ]);
    expect(await told(log)).toMatch(/alone: 2 edits of voxels, 2 edits of rows of tables and 1 edit of metadata; /);
    expect(await told(log, 1)).toMatch(/alone: 1 edit of voxels; /);
    expect(await told(log, 7)).toMatch(/alone: 1 edit of voxels, /);
  });
});
