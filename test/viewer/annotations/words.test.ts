import { describe, expect, it } from 'vitest';
import type { Box, ChannelInfo, Peer } from '../../../src/client/index.ts';
import { Authors } from '../../../src/viewer/page/annotations/authors.ts';
import { filterShapes, rowsInSight } from '../../../src/viewer/page/annotations/filter-shapes.ts';
import { focusBox, hasManyRows, mustRefocus } from '../../../src/viewer/page/annotations/large-tables.ts';
import { whyNotAnnotate } from '../../../src/viewer/page/annotations/may-annotate.ts';
import { isInVolume, movedBy, placedPoints } from '../../../src/viewer/page/annotations/placing.ts';
import type { Shape } from '../../../src/viewer/page/annotations/shape.ts';
import { fakeInfo } from '../../support/fake-stage.ts';

const info = fakeInfo('a/b/c/d', [10, 10, 40]);

describe('placing', () => {
  it('makes a box of whole voxels, one deep where both clicks are on one slice', () => {
    expect(
      placedPoints(
        'box',
        [
          [55, 12, 90],
          [31, 48, 90],
        ],
        info,
      ),
    ).toEqual([
      [30, 10, 80],
      [60, 50, 120],
    ]);
  });

  it('keeps other places as they were clicked', () => {
    expect(placedPoints('line', [[55, 12, 90]], info)).toEqual([[55, 12, 90]]);
  });

  it('knows what lies in the volume, half-open', () => {
    expect(isInVolume(info, [0, 0, 0])).toBe(true);
    expect(isInVolume(info, [999.9, 999, 3_999])).toBe(true);
    expect(isInVolume(info, [1_000, 0, 0])).toBe(false);
    expect(isInVolume(info, [5, -0.1, 0])).toBe(false);
  });

  it('moves along the slice by what the pointer moved', () => {
    expect(movedBy([1, 2, 3], [10, 10, 10], [15, 8, 10])).toEqual([6, 0, 3]);
  });
});

describe('who may annotate', () => {
  const layer = (more: Partial<ChannelInfo>): Parameters<typeof whyNotAnnotate>[0] => ({
    name: 'cells',
    info: { ...info, ...more },
    isLive: true,
  });

  it('is everybody with the right, and everybody where rights are not told', () => {
    expect(whyNotAnnotate(layer({}))).toBeUndefined();
    expect(whyNotAnnotate(layer({ rights: ['read', 'annotate'] }))).toBeUndefined();
  });

  it('is told in a sentence to the others', () => {
    expect(whyNotAnnotate(layer({ rights: ['read'] }))).toBe('You may look at cells, but not annotate it.');
    expect(whyNotAnnotate(layer({ editable: false }))).toBe('cells is read-only.');
    expect(whyNotAnnotate(layer({}), 12)).toContain('past');
    expect(whyNotAnnotate({ name: 'cells', info, isLive: false })).toContain('cells shows the past');
    expect(whyNotAnnotate(undefined)).toBe('No layer of this server is shown.');
  });
});

describe('authors', () => {
  const peer = (id: string, name: string, color: string): Peer => ({
    peer: id,
    user: { id, name },
    name,
    color,
    state: {},
  });
  const self = { id: 'me', name: 'Me', color: '#112233' };
  const authors = new Authors(self, [peer('ada', 'Ada', '#445566'), peer('eve', 'Eve', 'red;}')], () => undefined);
  const by = (author: string, more: object = {}): Pick<Shape, 'key' | 'row'> => ({
    key: 1n,
    row: { key: 1n, author, ...more },
  });

  it('have the colour of their presence while they are here, and always the same one when they are not', () => {
    expect(authors.of(by('ada'))).toEqual({ name: 'Ada', color: '#445566', isOwn: false });
    expect(authors.colorOf(by('gone'))).toBe(authors.colorOf(by('gone')));
    expect(authors.colorOf(by('gone'))).toMatch(/^hsl\(/);
    // What is no colour does not reach the page.
    expect(authors.colorOf(by('eve'))).toMatch(/^hsl\(/);
  });

  it('are oneself for what the server has not answered', () => {
    expect(authors.of({ key: -1n, row: { key: -1n } })).toEqual({ name: 'Me', color: '#112233', isOwn: true });
  });

  it('give way to a colour that the annotation has itself', () => {
    expect(authors.colorOf(by('ada', { props: { colour: '#e69f00' } }))).toBe('#e69f00');
    expect(authors.colorOf(by('ada', { props: { colour: 'url(x)' } }))).toBe('#445566');
  });

  it('are called guests where only an anonymous id is known', () => {
    expect(authors.of(by('anonymous:3a3d4b393b01ae1a')).name).toBe('guest 3a3d');
  });
});

describe('the list', () => {
  const shape = (
    key: bigint,
    kind: Shape['kind'],
    text: string,
    time?: number,
  ): Pick<Shape, 'key' | 'kind' | 'row'> => ({
    key,
    kind,
    row: { key, text, ...(time === undefined ? {} : { time }) },
  });
  const all = [
    shape(1n, 'point', 'Spine head', 10),
    shape(2n, 'box', 'bad area', 30),
    shape(3n, 'point', 'spine neck', 20),
    shape(-1n, 'line', ''),
  ];
  const find = (text: string, kind: Shape['kind'] | 'all' = 'all'): bigint[] =>
    filterShapes(all, { text, kind }, () => 'Ada').map(({ key }) => key);

  it('shows the newest first, what is being saved before all', () => {
    expect(find('')).toEqual([-1n, 2n, 3n, 1n]);
  });

  it('finds by all words, in text, author and kind, and by kind', () => {
    expect(find('SPINE')).toEqual([3n, 1n]);
    expect(find('ada head')).toEqual([1n]);
    expect(find('', 'box')).toEqual([2n]);
    expect(find('spine', 'box')).toEqual([]);
  });

  it('draws the rows in sight and a few around them', () => {
    expect(rowsInSight(0, 100, 20, 1_000)).toEqual([0, 9]);
    expect(rowsInSight(1_000, 100, 20, 1_000)).toEqual([46, 59]);
    expect(rowsInSight(1_000, 100, 20, 10)).toEqual([10, 10]);
  });
});

describe('very many rows', () => {
  const many = { ...info, tables: { synapse: 1_000_000 } };

  it('are those of which the channel says so', () => {
    expect(hasManyRows(many)).toBe(true);
    expect(hasManyRows({ ...info, tables: { synapse: 50_000, neuron: 1_000_000 } })).toBe(false);
  });

  it('are loaded around the view, in a box of the volume that holds about 50,000 where they lie evenly', () => {
    const box = focusBox(many, [500, 500, 2_000], 1e9);
    const share = volume(box) / 1e6;
    expect(share).toBeGreaterThan(0.04);
    expect(share).toBeLessThan(0.06);
    expect(focusBox(many, [500, 500, 2_000], 20)).toEqual([46, 46, 49, 54, 54, 51]);
    expect(focusBox(many, [-9_999, 500, 2_000], 20)).toEqual([0, 46, 49, 1, 54, 51]);
  });

  it('are loaded anew when the view has gone a quarter of the box, or is much nearer or farther', () => {
    const box: Box = [0, 0, 0, 40, 40, 40];
    expect(mustRefocus(undefined, box)).toBe(true);
    expect(mustRefocus(box, [10, 0, 0, 50, 40, 40])).toBe(false);
    expect(mustRefocus(box, [11, 0, 0, 51, 40, 40])).toBe(true);
    expect(mustRefocus(box, [15, 15, 15, 25, 25, 25])).toBe(true);
  });
});

function volume([x0, y0, z0, x1, y1, z1]: Box): number {
  return (x1 - x0) * (y1 - y0) * (z1 - z0);
}
