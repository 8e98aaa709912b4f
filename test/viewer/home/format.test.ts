import { describe, expect, it } from 'vitest';
import { editVerb, formatAgo } from '../../../src/viewer/page/home/format-edit.ts';
import { counted, formatExtent, formatVoxelSize, formatVoxels } from '../../../src/viewer/page/home/format-size.ts';

describe('sizes', () => {
  it('are written in voxels with groups of three digits', () => {
    expect(formatVoxels([34432, 512, 7])).toBe('34,432 × 512 × 7');
  });

  it('have nanometres for voxels, with two places', () => {
    expect(formatVoxelSize([8, 8, 40])).toBe('8 × 8 × 40 nm');
    expect(formatVoxelSize([3.5836, 4, 0.5])).toBe('3.58 × 4 × 0.5 nm');
  });

  it('name the side of a cube once, and have millimetres where voxels are that large', () => {
    expect(formatVoxelSize([8, 8, 8])).toBe('8 nm');
    expect(formatVoxelSize([1e6, 1e6, 1.5e6])).toBe('1 × 1 × 1.5 mm');
    expect(formatVoxelSize([1e6, 1e6, 40])).toBe('1,000,000 × 1,000,000 × 40 nm');
  });

  it('are written as things in the unit of the longest side', () => {
    expect(formatExtent({ shape: [512, 512, 128], voxel: [8, 8, 40] })).toBe('4.1 × 4.1 × 5.12 µm');
    expect(formatExtent({ shape: [100, 90, 70], voxel: [1, 1, 1] })).toBe('100 × 90 × 70 nm');
    expect(formatExtent({ shape: [400_000, 300_000, 5_000], voxel: [4, 4, 33] })).toBe('1.6 × 1.2 × 0.165 mm');
    expect(formatExtent({ shape: [1, 1, 1], voxel: [0.5, 0.5, 0.5] })).toBe('0.5 × 0.5 × 0.5 nm');
  });

  it('count in words', () => {
    expect([0, 1, 1940].map((count) => counted(count, 'channel'))).toEqual([
      '0 channels',
      '1 channel',
      '1,940 channels',
    ]);
  });
});

describe('times', () => {
  const NOW = Date.UTC(2026, 2, 3, 12);
  const ago = (seconds: number): string => formatAgo(NOW - seconds * 1000, NOW);

  it('are told as people say them', () => {
    expect([0, 44, 60, 100, 44 * 60].map(ago)).toEqual([
      'just now',
      'just now',
      '1 min ago',
      '2 min ago',
      '44 min ago',
    ]);
    expect([3600, 5 * 3600, 23 * 3600, 3 * 86400].map(ago)).toEqual(['1 h ago', '5 h ago', 'a day ago', '3 days ago']);
    expect(ago(60 * 86400)).toMatch(/^on [23] Jan 2026$/);
  });

  it('of a clock that is ahead are now', () => {
    expect(ago(-500)).toBe('just now');
  });
});

describe('edits', () => {
  const verb = (...ops: string[]): string => editVerb({ ops: ops.map((op) => ({ op })) });

  it('are told by what they did', () => {
    expect(['merge', 'cleave', 'split', 'write', 'undo', 'put'].map((op) => verb(op))).toEqual([
      'merged',
      'cleaved',
      'split',
      'painted',
      'undid an edit',
      'annotated',
    ]);
    expect(verb('merge', 'merge')).toBe('merged');
  });

  it('of several kinds, of none and of later versions are edits', () => {
    expect([verb('merge', 'split'), verb(), verb('teleport')]).toEqual(['edited', 'edited', 'edited']);
  });
});
