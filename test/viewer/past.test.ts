/** The past of a volume in a browser: the slider takes voxels, bodies and rows back, nothing is edited meanwhile, and the history undoes. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, type EditOp, type Session } from '../../src/client/node.ts';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { describeWithShared } from '../support/shared-data.ts';
import { ViewerPage } from '../support/viewer-page.ts';
import { SEGMENTS, startViewerServer, type ViewerServer } from '../support/viewer-server.ts';

/** Segments of the slice that is shown; a voxel well inside each, and another above it. */
const BIG = { id: 9775, at: [141, 105, 125], above: [141, 99, 125] } as const;
const LEFT = { id: 26556, at: [63, 99, 125] } as const;
const LOW = { id: 22512, at: [78, 153, 125] } as const;
const RIGHT = { id: 7319, at: [165, 132, 125], above: [165, 126, 125] } as const;
const UPPER = { id: 22271, at: [126, 81, 125] } as const;

const REFUSAL = 'This is the past: go back to now to edit';
/** Synapses of a file, keys from 0. */
const SYNAPSES = {
  neuron_1: [9775, 7319],
  neuron_2: [26556, 9775],
  synapse_center: { z: [125, 125], y: [60, 190], x: [60, 190] },
};

const point = ([x, y, z]: readonly [number, number, number], text: string): Record<string, unknown> => ({
  ...{ kind: 'point', points: [x + 0.5, y + 0.5, z + 0.5], text },
});

const describeInBrowser = hasChromium('the past in a browser') ? describeWithShared : () => {};

describeInBrowser('the past of a volume', () => {
  let server: ViewerServer;
  let browser: Browser;
  let ben: Session;
  let view: ViewerPage;
  const edit = async (...ops: readonly EditOp[]): Promise<bigint> => {
    const { results } = await ben.edit(SEGMENTS, ops);
    return results[0]?.keys?.[0] ?? 0n;
  };

  beforeAll(async () => {
    [server, browser] = await Promise.all([startViewerServer(), openChromium()]);
    await server.stop();
    await writeFile(path.join(path.dirname(server.viewer), 'synapse-connections.json'), JSON.stringify(SYNAPSES));
    await server.start();
    ben = await connect(`http://127.0.0.1:${server.port}`, { name: 'Ben' });
    const [x, y, z] = LOW.at;
    await edit({ op: 'merge', ids: [BIG.id, LEFT.id] });
    await edit({ op: 'write', box: [x - 5, y - 5, z, x + 5, y + 5, z + 1], value: RIGHT.id });
    const key = await edit({ op: 'put', table: 'annotation', rows: [point(BIG.at, 'look here')] });
    await edit({ op: 'put', table: 'annotation', rows: [{ key, ...point(RIGHT.at, 'look here') }] });
    await edit({ op: 'delete', table: 'synapse', keys: [0] });
    await edit({ op: 'delete', table: 'annotation', keys: [key] });
    await edit({ op: 'undo', seq: 6 });
    await edit({ op: 'merge', ids: [BIG.id, UPPER.id] });
    view = await ViewerPage.open(browser, `http://127.0.0.1:${server.port}`, 'Ada');
    await row(8).waitFor();
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await ben?.close();
    await server?.close();
  });

  const row = (seq: number) => view.page.locator(`.hist-row[data-seq="${seq}"]`);
  const slider = () => view.page.getByLabel('Moment that is shown');
  /** Words of the annotations and synapses in the list, and how many there are. */
  const listed = async (): Promise<string[]> =>
    (await view.page.locator('.annotation-row .annotation-words > span').allTextContents()).sort();
  /** What the view shows: the moment, the moment of its rows, and the rows. */
  const state = async () => {
    const { at, rowsAt } = await view.page.evaluate(() => ({
      at: window.bfly.past.at ?? 'now',
      rowsAt: window.bfly.past.rows?.at ?? 'now',
    }));
    return { at, rowsAt, rows: await listed() };
  };
  const shows = (at: number | 'now', rows: readonly string[]) =>
    expect.poll(state, { timeout: 30_000 }).toEqual({ at, rowsAt: at, rows: [...rows].sort() });

  it('goes back edit by edit, with the rows of each, those of files too', async () => {
    const [one, two, note] = [`${BIG.id} → ${LEFT.id}`, `${RIGHT.id} → ${BIG.id}`, 'look here'];
    await shows('now', [two, note]);
    await view.untilAlike(RIGHT.at, RIGHT.above, false);
    await view.untilAlike(BIG.at, UPPER.at, true);
    await slider().focus();
    const then = [
      [one, two],
      [one, two],
      [one, two],
      [one, two, note],
      [one, two, note],
      [two, note],
      [two],
      [two, note],
    ];
    for (const [at, rows] of [...then.entries()].reverse()) {
      await view.page.keyboard.press('ArrowLeft');
      await shows(at, rows);
      if (at === 7) await view.untilAlike(BIG.at, UPPER.at, false);
      if (at === 6) await view.untilAlike(RIGHT.at, RIGHT.above, true);
      if (at === 3) await view.untilAlike(BIG.at, BIG.above, false);
      if (at === 2) await view.untilAlike(BIG.at, BIG.above, true);
      if (at === 1) await view.untilAlike(LOW.at, RIGHT.above, false);
    }
    await view.untilAlike(BIG.above, LEFT.at, false);
    const band = await view.page.locator('.hist-band').textContent();
    expect(band).toContain('before the first of 8 edits');
    expect(band).not.toContain('annotations');
    expect(await view.page.locator('.annotation-past').textContent()).toBe('As they were before the first edit.');
    await slider().press('End');
    await shows('now', [two, note]);
    await view.untilAlike(RIGHT.at, RIGHT.above, false);
    await view.untilAlike(LOW.at, RIGHT.above, true);
  }, 120_000);

  it('edits nothing while the past is shown, and says why', async () => {
    await row(3).hover();
    await row(3).getByRole('button', { name: 'See the volume after edit 3' }).click();
    await view.page.locator('.hist-band').getByText('edit 3 of 8').waitFor();
    await view.page.evaluate(() => {
      const { stage } = window.bfly;
      const say = stage.say.bind(stage);
      document.body.dataset['said'] = '';
      stage.say = (text, kind) => {
        document.body.dataset['said'] = text;
        say(text, kind);
      };
    });
    const said = () => view.page.evaluate(() => document.body.dataset['said']);
    for (const key of ['m', 'd', 'p', 'Control+z']) {
      await view.point(UPPER.at, UPPER.id);
      await view.page.keyboard.press(key);
      await expect.poll(said, { message: key }).toBe(`${REFUSAL}.`);
      await view.page.evaluate(() => {
        document.body.dataset['said'] = '';
      });
    }
    await row(8).hover();
    expect(await view.page.getByRole('button', { name: 'Undo edit 8. Go back to now to undo' }).count()).toBe(1);
    await view.page.locator('.annotation-go').first().focus();
    await view.page.keyboard.press('Delete');
    await expect.poll(said).toBe(`${REFUSAL}.`);
    await view.page.locator('#neuroglancer-status-container').getByText(REFUSAL).first().waitFor();
    expect(await view.page.locator('.hist-band').textContent()).toContain('edit 3 of 8');
  }, 60_000);

  it('shows an edit that comes meanwhile only when it is back', async () => {
    const before = await listed();
    await edit({ op: 'put', table: 'annotation', rows: [point(UPPER.at, 'newest')] });
    await view.page.locator('.hist-band').getByText('edit 3 of 9').waitFor();
    expect(await listed()).toEqual(before);
    await view.page.getByRole('button', { name: 'Back to now', exact: true }).click();
    await shows('now', ['look here', 'newest', `${RIGHT.id} → ${BIG.id}`]);
    expect(await view.page.locator('.hist-band').count()).toBe(0);
  }, 60_000);

  it('says who did what, and goes to the place', async () => {
    expect((await row(9).locator('.hist-what').textContent())?.trim()).toBe('added 1 point');
    expect(await row(9).locator('.hist-who').textContent()).toMatch(/^Ben · .* · 9$/);
    await row(9).locator('.hist-go').click();
    const [x, y, z] = UPPER.at;
    await expect
      .poll(() => view.page.evaluate(() => window.bfly.stage.place.map((value) => value / 10)))
      .toEqual([x + 0.5, y + 0.5, z + 0.5]);
  }, 30_000);

  it('undoes an edit from its row, and asks first where others built on it', async () => {
    const undo = async (seq: number): Promise<void> => {
      await view.page.locator('.hist-scroll').evaluate((list) => list.scrollTo(0, list.scrollHeight));
      await row(seq).hover();
      await row(seq)
        .getByRole('button', { name: `Undo edit ${seq}` })
        .click();
    };
    await undo(2);
    await view.untilAlike(LOW.at, RIGHT.above, false);
    await undo(1);
    const blocked = view.page.locator('.hist-blocked');
    await blocked.waitFor();
    expect(await blocked.textContent()).toContain(
      `Edit 1 was not undone. On it was built: edit 8 (Ben merged 2 segments into ${BIG.id})`,
    );
    expect(await view.root(LEFT.id)).toBe(String(BIG.id));
    await blocked.getByRole('button', { name: 'Undo it all the same' }).click();
    await view.until('the body without it', async () => (await view.root(LEFT.id)) === String(LEFT.id));
    await view.untilAlike(BIG.above, LEFT.at, false);
    expect(view.complaints).toEqual([]);
  }, 60_000);
});
