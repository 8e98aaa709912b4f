import { describe, expect, it } from 'vitest';
import { describeProgress, duration, openProgress } from '../../src/utility/progress.ts';

const state = (done: number, elapsedMs: number) => ({ done, total: 1000, bytes: done * 1000, elapsedMs });

describe('progress', () => {
  it('says how much, how fast and how long still', () => {
    const half = { done: 7_800_000, total: 15_625_000, bytes: 62_400_000, elapsedMs: 2_000 };
    expect(describeProgress(half, 'voxels')).toBe('7.8 M of 15.6 M voxels, 31.2 MB/s, 2.0 s left');
    expect(describeProgress({ ...half, done: 15_625_000, stage: 'level 2 of 2' }, 'voxels')).toBe(
      '15.6 M of 15.6 M voxels, 31.2 MB/s, in 2.0 s, level 2 of 2',
    );
    expect(describeProgress({ done: 0, total: 10, bytes: 0, elapsedMs: 0 }, 'bytes')).toBe('0 B of 10 B');
  });

  it('says times as people do', () => {
    expect([0, 9_940, 45_000, 59_900, 125_000, 12_000_000].map(duration)).toEqual([
      '0.1 s',
      '9.9 s',
      '45 s',
      '1 min 0 s',
      '2 min 5 s',
      '3 h 20 min',
    ]);
  });

  it('is a line every five seconds of work and one at the end where there is no terminal', () => {
    let text = '';
    const progress = openProgress({ label: 'pull', unit: 'voxels', stream: { write: (more) => (text += more) } });
    for (let second = 0; second <= 12; second++) progress.update(state(second * 50, second * 1000));
    progress.end();
    const lines = text.split('\n');
    expect(lines.map((line) => line.slice(0, 10))).toEqual(['pull: 25%,', 'pull: 50%,', 'pull: 60%,', '']);
    expect(text).not.toContain('\x1b');
  });

  it('is silent where nothing was done', () => {
    let text = '';
    openProgress({ label: 'pull', unit: 'voxels', stream: { write: (more) => (text += more) } }).end();
    expect(text).toBe('');
  });
});
