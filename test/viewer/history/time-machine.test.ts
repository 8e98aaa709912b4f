import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Box } from '../../../src/client/index.ts';
import { LogFollower } from '../../../src/viewer/page/history/log-follower.ts';
import { TimeMachine } from '../../../src/viewer/page/history/time-machine.ts';
import type { StageBodies } from '../../../src/viewer/page/stage.ts';
import { PastMoment } from '../../../src/viewer/page/volume/past-moment.ts';
import { type EditStage, editStage, PATH } from '../../support/edit-stage.ts';
import { settled } from '../../support/fake-server.ts';

/** A stage that remembers what it was told to show. */
class ToldStage {
  readonly voxels: (readonly [at: number | undefined, boxes: readonly Box[] | undefined])[] = [];
  bodies: StageBodies | undefined;
  readonly said: string[] = [];
  showAt(_path: string, at: number | undefined, boxes?: readonly Box[]): void {
    this.voxels.push([at, boxes]);
  }
  showBodies(_path: string, bodies: StageBodies | undefined): void {
    this.bodies = bodies;
  }
  say(text: string): void {
    this.said.push(text);
  }
}

interface MachineStage extends EditStage {
  readonly machine: TimeMachine;
  readonly stage: ToldStage;
  readonly past: PastMoment;
}

const write = (x: number) => ({ op: 'write', box: [x, 0, 0, x + 1, 1, 1], value: 1 });

async function begin(): Promise<MachineStage> {
  const all = await editStage();
  all.log.foreign({ op: 'merge', ids: [1n, 2n] });
  all.log.foreign(write(5));
  all.log.foreign({ op: 'merge', ids: [2n, 3n] });
  all.log.foreign({ op: 'cleave', ids: [1n] });
  const channel = all.session.open(PATH);
  await channel.subscription.ready;
  await settled();
  const [stage, past] = [new ToldStage(), new PastMoment()];
  const machine = new TimeMachine(channel, { session: all.session, stage, past });
  await machine.prepare();
  return { ...all, stage, past, machine };
}

/** Lets the thumb rest, and everything arrive. */
async function rest(): Promise<void> {
  await vi.advanceTimersByTimeAsync(100);
  await settled();
}

describe('a time machine', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());

  it('shows voxels and bodies as they were, and says which edit that is', async () => {
    const { machine, stage, past } = await begin();
    machine.seek(3);
    expect([past.at, past.path]).toEqual([3, PATH]);
    await rest();
    expect(stage.voxels).toEqual([[3, []]]);
    expect([...(stage.bodies?.membersOf(3n) ?? [])]).toEqual([1n, 2n, 3n]);
    expect(machine.moment.value).toMatchObject({ seq: 3, user: 'Bob', words: 'merged 2 segments into 1' });
    machine.seek(0);
    await rest();
    expect(stage.bodies?.rootOf(2n)).toBe(2n);
  });

  it('fetches again only what differs between two moments', async () => {
    const { machine, stage } = await begin();
    machine.seek(3);
    await rest();
    machine.seek(2);
    await rest();
    machine.seek(1);
    await rest();
    expect(stage.voxels.slice(1)).toEqual([
      [2, []],
      [1, [[5, 0, 0, 6, 1, 1]]],
    ]);
  });

  it('comes back to now, with what was changed meanwhile', async () => {
    const { machine, stage, past, log } = await begin();
    machine.seek(3);
    await rest();
    log.foreign(write(9));
    await settled();
    expect(machine.head.value).toBe(5);
    machine.now();
    expect(stage.voxels.at(-1)).toEqual([undefined, [[9, 0, 0, 10, 1, 1]]]);
    expect(stage.bodies).toBeUndefined();
    expect([past.at, past.path]).toEqual([undefined, undefined]);
    await settled();
    expect(log.subscribers.size).toBe(1);
  });

  it('shows only where the thumb comes to, not all that it passes', async () => {
    const { machine, stage } = await begin();
    for (const at of [3, 2, 1, 2]) machine.seek(at);
    await rest();
    expect(stage.voxels.map(([at]) => at)).toEqual([2]);
  });

  it('takes the newest edit for now', async () => {
    const { machine, stage, past } = await begin();
    machine.seek(4);
    await rest();
    expect([past.at, stage.voxels.length]).toEqual([undefined, 0]);
  });

  it('plays from the first edit to now, one after the other', async () => {
    const { machine, past } = await begin();
    const seen: (number | undefined)[] = [];
    past.on(() => seen.push(past.at));
    machine.play();
    for (let i = 0; i < 30; i++) await rest();
    expect(seen).toEqual([0, 1, 2, 3, undefined]);
    expect(machine.isPlaying.value).toBe(false);
  });

  it('[S1] comes back to now when the log begins anew', async () => {
    const { machine, past, stage, server, log, clock } = await begin();
    machine.seek(2);
    await rest();
    server.last.drop();
    log.restore(9, 1);
    await clock.advance(3_000);
    await rest();
    expect([past.at, stage.voxels.at(-1)?.[0], stage.bodies]).toEqual([undefined, undefined, undefined]);
  });
});

describe('the follower of a log', () => {
  it('has the newest edits, live ones as they come, and older ones when they are asked for', async () => {
    const all = await editStage();
    for (let i = 0; i < 20; i++) all.log.foreign({ op: 'put', table: 'annotation', rows: [{ key: i }] });
    const channel = all.session.open(PATH);
    let changes = 0;
    all.server.script = (message, connection) => {
      if (message.kind !== 'HISTORY') return false;
      const { id, after, limit = 256 } = message;
      const edits = all.log.edits.slice(after, after + limit).map(({ record }) => record);
      const more = after + limit < all.log.head;
      connection.send({ kind: 'HISTORY_OK', id, epoch: all.log.epoch, first: 1, head: all.log.head, edits, more });
      return true;
    };
    const follower = new LogFollower(all.session, channel, () => changes++, 12);
    for (let i = 0; i < 400 && follower.log.edits.length < 12; i++) await settled();
    expect([follower.log.first, follower.log.head]).toEqual([9, 20]);
    all.log.foreign({ op: 'merge', ids: [1n, 2n] });
    await settled();
    expect(follower.log.get(21)?.ops).toEqual([{ op: 'merge', ids: [1, 2] }]);
    await follower.loadOlder();
    expect([follower.log.first, follower.log.hasOlder]).toEqual([1, false]);
    expect(changes).toBeGreaterThanOrEqual(3);
    follower.end();
  });
});
