/** Rows of a channel, now and at moments of the past: on the fake server, moved by the machine of the history. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ChannelRows } from '../../../src/viewer/page/annotations/channel-rows.ts';
import { TimeMachine } from '../../../src/viewer/page/history/time-machine.ts';
import { PastMoment, type RowName } from '../../../src/viewer/page/volume/past-moment.ts';
import { type EditStage, editStage, PATH } from '../../support/edit-stage.ts';
import { settled } from '../../support/fake-server.ts';
import { fakeInfo } from '../../support/fake-stage.ts';

const point = (x: number, text: string, key?: bigint): Record<string, unknown> => ({
  ...(key === undefined ? {} : { key }),
  ...{ kind: 'point', points: [x, 0, 0], text },
});
const put = (...rows: Record<string, unknown>[]) => ({ op: 'put', table: 'annotation', rows });

interface RowStage extends EditStage {
  readonly machine: TimeMachine;
  readonly past: PastMoment;
  readonly rows: ChannelRows;
  /** Names that were told with each change of rows; undefined: any. */
  readonly told: (readonly RowName[] | undefined)[];
  /** Moments that whoever draws them has heard of. */
  readonly drawn: (number | undefined)[];
  /** Texts and places of what is shown. */
  shown(): string[];
}

/** Edits: 1 puts a and b, 2 moves a, 3 deletes b, 4 undoes 3, 5 puts c. */
async function begin(): Promise<RowStage> {
  const all = await editStage();
  all.log.foreign(put(point(1, 'a', 1n), point(2, 'b', 2n)));
  all.log.foreign(put(point(9, 'a', 1n)));
  all.log.foreign({ op: 'delete', table: 'annotation', keys: [2n] });
  all.log.foreign({ op: 'undo', seq: 3 });
  all.log.foreign(put(point(3, 'c', 3n)));
  const channel = all.session.open(PATH);
  await channel.subscription.ready;
  await settled();
  const past = new PastMoment();
  const told: RowStage['told'] = [];
  past.onRows((names) => told.push(names));
  const stage = { showAt: () => {}, showBodies: () => {}, say: () => {} };
  const machine = new TimeMachine(channel, { session: all.session, stage, past });
  await machine.prepare();
  const info = fakeInfo(PATH);
  const drawn: RowStage['drawn'] = [];
  const rows: ChannelRows = new ChannelRows({
    ...{ session: all.session, path: PATH, info, channel, past },
    ...{ changed: () => void drawn.push(rows.at), peersChanged: () => {} },
  });
  const shown = (): string[] =>
    [...rows.store.all('annotation'), ...rows.store.all('synapse')]
      .map((shape) => `${shape.row['text'] ?? shape.kind} ${(shape.points[0]?.[0] ?? 0) / 10}`)
      .sort();
  await rest();
  return { ...all, machine, past, rows, told, drawn, shown };
}

/** Lets the thumb rest, and everything arrive and be drawn. */
async function rest(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await vi.advanceTimersByTimeAsync(100);
    await settled();
  }
}

describe('rows of a channel', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    vi.stubGlobal('requestAnimationFrame', (run: () => void) => setTimeout(run, 16));
    vi.stubGlobal('cancelAnimationFrame', (frame: number) => clearTimeout(frame));
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('are at every moment what they were after that edit', async () => {
    const { machine, rows, shown } = await begin();
    expect(shown()).toEqual(['a 9', 'b 2', 'c 3']);
    const then = [[], ['a 1', 'b 2'], ['a 9', 'b 2'], ['a 9'], ['a 9', 'b 2']];
    for (const at of [4, 3, 2, 1, 0, 3, 0, 4, 1]) {
      machine.seek(at);
      await rest();
      expect(shown(), `at ${at}`).toEqual(then[at]);
      expect([rows.at, machine.rowsAt.value]).toEqual([at, at]);
    }
    machine.now();
    await rest();
    expect(shown()).toEqual(['a 9', 'b 2', 'c 3']);
    expect(rows.at).toBeUndefined();
  });

  it('are looked at again only where a step changes them', async () => {
    const { machine, told } = await begin();
    machine.seek(4);
    await rest();
    machine.seek(3);
    await rest();
    machine.seek(1);
    await rest();
    machine.now();
    expect(told).toEqual([
      [['annotation', 3n]],
      [['annotation', 2n]],
      [
        ['annotation', 1n],
        ['annotation', 2n],
      ],
      [
        ['annotation', 1n],
        ['annotation', 2n],
        ['annotation', 3n],
      ],
    ]);
  });

  it('are told of with every moment, the same rows too', async () => {
    const { machine, drawn, log } = await begin();
    for (const id of [2n, 3n]) log.foreign({ op: 'merge', ids: [1n, id] });
    await rest();
    drawn.length = 0;
    for (const at of [6, 5]) {
      machine.seek(at);
      await rest();
    }
    expect(drawn).toEqual([6, 5]);
  });

  it('do not show what comes while the past is shown, until one is back', async () => {
    const { machine, log, shown } = await begin();
    machine.seek(2);
    await rest();
    log.foreign(put(point(4, 'd', 4n)));
    log.foreign({ op: 'delete', table: 'annotation', keys: [1n] });
    await rest();
    expect(shown()).toEqual(['a 9', 'b 2']);
    machine.seek(6);
    await rest();
    expect(shown()).toEqual(['a 9', 'b 2', 'c 3', 'd 4']);
    machine.now();
    await rest();
    expect(shown()).toEqual(['b 2', 'c 3', 'd 4']);
  });

  it('do not hold own edits that nobody has answered in the past, and hold them again now', async () => {
    const { machine, log, session, shown } = await begin();
    log.fates.push('mute');
    void session.open(PATH).edit([{ op: 'put', table: 'annotation', rows: [point(5, 'own')] }]);
    machine.seek(4);
    await rest();
    expect(shown()).toEqual(['a 9', 'b 2']);
    machine.now();
    await rest();
    expect(shown()).toContain('own 5');
  });

  it('stay as they are while the past of another channel is shown', async () => {
    const { past, shown } = await begin();
    const nothing = { path: 'e/s/d/other', at: 0, row: () => null, changed: () => [] };
    past.showRows(nothing, undefined);
    await rest();
    expect(shown()).toEqual(['a 9', 'b 2', 'c 3']);
  });

  it('[I6] that files have are what files say, until an edit changes them', async () => {
    const { machine, log, server, shown } = await begin();
    const asked: string[] = [];
    server.script = (message, connection) => {
      if (message.kind !== 'FEATURE') return false;
      const { id, path, feature, key, box } = message;
      asked.push(`${path} ${feature} ${key ?? box}`);
      const value =
        feature === 'synapse_rows' ? [{ key: 70, pre: 1, post: 2, point: [6.5, 0, 0] }] : { x: 6, y: 0, z: 0 };
      connection.send({ kind: 'FEATURE_OK', id, value });
      return true;
    };
    log.foreign({ op: 'put', table: 'synapse', rows: [{ key: 70n, pre: 1n, post: 2n, point: [8, 0, 0] }] });
    await rest();
    expect(shown()).toContain('synapse 8');
    machine.seek(0);
    await rest();
    expect(asked).toEqual(['e/s/d synapse_keypoint 70', 'e/s/d synapse_rows 6,0,0,7,1,1']);
    expect(shown()).toEqual(['synapse 6.5']);
    expect(machine.lostRows.value).toBe(0);
  });

  it('[I6] that files had are counted where nobody can tell what they were', async () => {
    const { machine, log, server, shown } = await begin();
    server.script = (message, connection) => {
      if (message.kind !== 'FEATURE') return false;
      connection.send({ kind: 'ERROR', id: message.id, code: 404, error: 'NOT_FOUND', message: 'no', retryMs: null });
      return true;
    };
    log.foreign({ op: 'put', table: 'synapse', rows: [{ key: 70n, pre: 1n, post: 2n, point: [8, 0, 0] }] });
    machine.seek(0);
    await rest();
    expect(shown()).toEqual([]);
    expect(machine.lostRows.value).toBe(1);
  });
});
