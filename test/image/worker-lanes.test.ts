import { describe, expect, it } from 'vitest';
import { WorkerLanes } from '../../src/image/worker-lanes.ts';

/** Lanes, and tasks that end when they are told to. */
function lanes() {
  const all = new WorkerLanes({ local: 2, remote: 3, perRemote: 2 });
  const running: string[] = [];
  const ends = new Map<string, () => void>();
  const start = (name: string, source?: string): Promise<string> =>
    all.run(source, async () => {
      running.push(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
      running.splice(running.indexOf(name), 1);
      return name;
    });
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    ...{ all, running, start, settled },
    end: async (name: string) => {
      ends.get(name)?.();
      await settled();
    },
  };
}

describe('the lanes of the workers', () => {
  it('a server that keeps its tasks waiting holds up neither what lies here nor another server', async () => {
    const { running, start, settled, end } = lanes();
    for (let i = 0; i < 10; i++) void start(`hang${i}`, 'http://hang/em');
    await settled();
    expect(running).toEqual(['hang0', 'hang1']);
    void start('far', 'http://far/em');
    for (let i = 0; i < 3; i++) void start(`here${i}`);
    await settled();
    expect(running).toEqual(['hang0', 'hang1', 'far', 'here0', 'here1']);
    await end('here0');
    expect(running).toEqual(['hang0', 'hang1', 'far', 'here1', 'here2']);
    // Behind eight of the other server's.
    void start('far2', 'http://far/em');
    await end('far');
    expect(running).toEqual(['hang0', 'hang1', 'here1', 'here2', 'far2']);
    await end('hang0');
    expect(running).toEqual(['hang1', 'here1', 'here2', 'far2', 'hang2']);
  });

  it('give room back after a task that failed, here and far', async () => {
    const { all } = lanes();
    const failing = async (): Promise<never> => {
      throw new Error('broken');
    };
    for (const source of [undefined, 'http://far/em'])
      for (let i = 0; i < 10; i++) await expect(all.run(source, failing)).rejects.toThrow('broken');
    expect(await all.run(undefined, async () => 'here')).toBe('here');
    expect(await all.run('http://far/em', async () => 'far')).toBe('far');
  });

  it('run every task once, in the order in which those of a lane came', async () => {
    const { all } = lanes();
    const order: number[] = [];
    const tasks = Array.from({ length: 200 }, (_, i) =>
      all.run(i % 3 === 0 ? undefined : `http://s${i % 5}/`, async () => {
        await null;
        order.push(i);
        return i;
      }),
    );
    expect(await Promise.all(tasks)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    const local = order.filter((i) => i % 3 === 0);
    expect(local).toEqual([...local].sort((a, b) => a - b));
    expect(new Set(order).size).toBe(200);
  });
});
