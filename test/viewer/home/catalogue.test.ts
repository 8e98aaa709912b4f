import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BflyError, type ListEntry } from '../../../src/client/index.ts';
import { Catalogue } from '../../../src/viewer/page/home/catalogue.ts';
import { channelsOf } from '../../../src/viewer/page/home/tree.ts';

const KINDS = ['experiment', 'sample', 'dataset', 'channel'] as const;

/** A server of channels that writes down what it is asked. */
class FakeLists {
  readonly asked: string[] = [];
  broken = new Set<string>();
  paths: readonly string[];
  /** Lists under way now, and at most. */
  now = 0;
  most = 0;

  constructor(paths: readonly string[]) {
    this.paths = paths;
  }

  async list(path = ''): Promise<ListEntry[]> {
    this.asked.push(path);
    this.most = Math.max(this.most, ++this.now);
    await Promise.resolve();
    this.now--;
    if (this.broken.has(path)) throw new BflyError('UNAVAILABLE', 'not now');
    const depth = path === '' ? 0 : path.split('/').length;
    const inside = this.paths.filter((own) => path === '' || own.startsWith(`${path}/`));
    const children = new Set(
      inside.map((own) =>
        own
          .split('/')
          .slice(0, depth + 1)
          .join('/'),
      ),
    );
    return [...children].map((own) => ({
      ...{ name: own.split('/').at(-1) ?? '', kind: KINDS[depth] ?? 'channel', path: own },
    }));
  }
}

const many = (experiments: number, datasets: number, channels: number): string[] =>
  Array.from({ length: experiments * datasets * channels }, (_, n) => {
    const channel = n % channels;
    const dataset = Math.floor(n / channels) % datasets;
    return `e${Math.floor(n / channels / datasets)}/s/d${dataset}/c${channel}`;
  });

describe('Catalogue', () => {
  beforeEach(() => {
    vi.stubGlobal('requestAnimationFrame', (frame: () => void) => setTimeout(frame, 0));
    vi.stubGlobal('cancelAnimationFrame', clearTimeout);
  });
  afterEach(() => vi.unstubAllGlobals());

  it('opens everything of a small server by itself', async () => {
    const lists = new FakeLists(['demo/cortex/cube/em', 'demo/cortex/cube/segmentation']);
    const catalogue = new Catalogue(lists);
    await catalogue.begin();
    expect(channelsOf(catalogue.listings)).toHaveLength(2);
    expect(catalogue.open.has('demo')).toBe(true);
    expect(lists.asked).toEqual(['', 'demo', 'demo/cortex', 'demo/cortex/cube']);
  });

  it('asks for few lists of a large server, and never leaves an open group without its list', async () => {
    const lists = new FakeLists(many(300, 5, 4));
    const catalogue = new Catalogue(lists);
    await catalogue.begin();
    expect(lists.asked.length).toBeLessThan(100);
    expect(channelsOf(catalogue.listings).length).toBeGreaterThanOrEqual(20);
    for (const path of catalogue.open) expect(catalogue.listings.get(path)?.kind).toBe('loaded');
    for (const path of [...catalogue.open].filter(Boolean))
      if (!path.includes('/')) expect(catalogue.listings.get(`${path}/s`)?.kind).toBe('loaded');
  });

  it('loads a group and what it holds alone when it is opened, and asks no list twice', async () => {
    const lists = new FakeLists(many(60, 2, 3));
    const catalogue = new Catalogue(lists);
    await catalogue.begin();
    expect(catalogue.open.has('e59')).toBe(false);
    await catalogue.toggle('e59');
    expect(catalogue.open.has('e59')).toBe(true);
    expect(catalogue.listings.get('e59/s')).toMatchObject({ entries: [{ name: 'd0' }, { name: 'd1' }] });
    await catalogue.toggle('e59');
    expect(catalogue.open.has('e59')).toBe(false);
    await catalogue.toggle('e59');
    expect(new Set(lists.asked).size).toBe(lists.asked.length);
  });

  it('finds every channel for a search, four lists at a time', async () => {
    const lists = new FakeLists(many(30, 6, 5));
    const catalogue = new Catalogue(lists);
    await catalogue.loadAll();
    expect(channelsOf(catalogue.listings)).toHaveLength(900);
    expect(catalogue.isComplete.value).toBe(true);
    expect(lists.most).toBe(4);
  });

  it('keeps what is there where a list fails, and asks for it again', async () => {
    const lists = new FakeLists(many(2, 2, 2));
    lists.broken.add('e1');
    const catalogue = new Catalogue(lists);
    await catalogue.begin();
    expect(catalogue.listings.get('e1')).toEqual({ kind: 'failed', fault: 'not now' });
    expect(channelsOf(catalogue.listings)).toHaveLength(4);
    lists.broken.clear();
    expect(await catalogue.retry('e1')).toMatchObject({ kind: 'loaded' });
  });

  it('asks for the root again where that failed', async () => {
    const lists = new FakeLists(many(1, 1, 2));
    lists.broken.add('');
    const catalogue = new Catalogue(lists);
    await catalogue.begin();
    expect(catalogue.listings.get('')?.kind).toBe('failed');
    lists.broken.clear();
    await catalogue.refresh();
    expect(channelsOf(catalogue.listings)).toHaveLength(2);
  });

  it('shows what the server holds now after a refresh, and leaves open what was', async () => {
    const lists = new FakeLists(many(2, 1, 2));
    const catalogue = new Catalogue(lists);
    await catalogue.begin();
    await catalogue.toggle('e1');
    lists.paths = [...many(2, 1, 2), 'e0/s/d0/new'];
    await catalogue.refresh();
    expect(channelsOf(catalogue.listings).map(({ name }) => name)).toContain('new');
    expect([catalogue.open.has('e0'), catalogue.open.has('e1')]).toEqual([true, false]);
  });

  it('tells of many lists once', async () => {
    const catalogue = new Catalogue(new FakeLists(many(30, 6, 5)));
    await catalogue.loadAll();
    await new Promise((done) => setTimeout(done, 1));
    expect(catalogue.version.value).toBeLessThan(5);
    expect(catalogue.version.value).toBeGreaterThan(0);
  });
});
