import { describe, expect, it } from 'vitest';
import type { ListEntry } from '../../../src/client/index.ts';
import {
  channelsOf,
  type Group,
  type Level,
  type Listing,
  levelOf,
  narrowListings,
} from '../../../src/viewer/page/home/tree.ts';

const KINDS = ['experiment', 'sample', 'dataset', 'channel'] as const;

function entry(path: string): ListEntry {
  const names = path.split('/');
  return { name: names.at(-1) ?? '', kind: KINDS[names.length - 1] ?? 'channel', path };
}

/** Lists of a server that holds these channels, each list as it would come. */
function listingsOf(paths: readonly string[]): Map<string, Listing> {
  const lists = new Map<string, ListEntry[]>([['', []]]);
  for (const path of paths) {
    const names = path.split('/');
    for (let depth = 1; depth <= names.length; depth++) {
      const own = entry(names.slice(0, depth).join('/'));
      const parent = names.slice(0, depth - 1).join('/');
      const list = lists.get(parent) ?? [];
      if (!list.some((known) => known.path === own.path)) list.push(own);
      lists.set(parent, list);
    }
  }
  return new Map([...lists].map(([path, entries]) => [path, { kind: 'loaded', entries }]));
}

/** The tree as indented lines. */
function draw({ groups, channels }: Level, indent = ''): string[] {
  return [
    ...channels.map(({ name }) => `${indent}${name}`),
    ...groups.flatMap((group: Group) => [
      `${indent}${group.isOpen ? '-' : '+'} ${group.chain.map(({ name }) => name).join(' › ')}`,
      ...draw(group.inside, `${indent}  `),
    ]),
  ];
}

const FLY = listingsOf([
  'fly/medulla/training/em',
  'fly/medulla/training/ids',
  'fly/medulla/test/em',
  'fly/lobula/crop/em',
  'mouse/cortex/cube/em',
]);

describe('tree', () => {
  it('shows what is open, and where each holds but the next, several names in one line', () => {
    expect(draw(levelOf(FLY, () => true))).toEqual([
      '- fly',
      '  - medulla',
      '    - training',
      '      em',
      '      ids',
      '    - test',
      '      em',
      '  - lobula › crop',
      '    em',
      '- mouse › cortex › cube',
      '  em',
    ]);
  });

  it('shows nothing of what is inside closed groups', () => {
    expect(draw(levelOf(FLY, (path) => path === 'fly'))).toEqual([
      '- fly',
      '  + medulla',
      '  + lobula › crop',
      '+ mouse › cortex › cube',
    ]);
  });

  it('gives a group whose list has not come its listing as it is', () => {
    const listings = new Map(FLY);
    listings.delete('mouse');
    listings.set('fly', { kind: 'failed', fault: 'no such thing' });
    const { groups } = levelOf(listings, () => true);
    expect(groups.map(({ listing }) => listing?.kind)).toEqual(['failed', undefined]);
    expect(groups.map(({ inside }) => draw(inside))).toEqual([[], []]);
  });

  it('shows channels that stand higher than at the fourth place', () => {
    const listings = new Map<string, Listing>([
      ['', { kind: 'loaded', entries: [{ name: 'em', kind: 'channel', path: 'em' }, entry('fly')] }],
    ]);
    expect(draw(levelOf(listings, () => false))).toEqual(['em', '+ fly']);
  });

  it('does not follow a list that holds itself', () => {
    const itself: ListEntry = { name: 'fly', kind: 'sample', path: 'fly' };
    const listings = new Map<string, Listing>([
      ['', { kind: 'loaded', entries: [entry('fly')] }],
      ['fly', { kind: 'loaded', entries: [itself] }],
    ]);
    expect(channelsOf(listings)).toEqual([]);
    expect(levelOf(listings, () => false).groups[0]?.chain).toHaveLength(1);
    expect(narrowListings(listings, [])).toEqual(new Map());
  });

  it('lists all channels in the order of the tree', () => {
    expect(channelsOf(FLY).map(({ path }) => path)).toEqual([
      'fly/medulla/training/em',
      'fly/medulla/training/ids',
      'fly/medulla/test/em',
      'fly/lobula/crop/em',
      'mouse/cortex/cube/em',
    ]);
  });

  it('narrows lists to some channels and what leads to them', () => {
    const narrow = narrowListings(FLY, [entry('fly/medulla/training/ids')]);
    expect(draw(levelOf(narrow, () => true))).toEqual(['- fly › medulla › training', '  ids']);
    expect(FLY.get('fly/medulla/training')).toMatchObject({ entries: [{ name: 'em' }, { name: 'ids' }] });
  });
});
