/**
 * Two people at work for a while: they move about, merge, cleave, paint, undo and point. Nothing is complained of, and memory stays flat.
 * A quarter of a minute; ten minutes with BFLY_STORM=1, and then memory is looked at.
 */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { describeWithShared } from '../support/shared-data.ts';
import { ViewerPage } from '../support/viewer-page.ts';
import { SEGMENTS, startViewerServer, type ViewerServer } from '../support/viewer-server.ts';

const IS_LONG = process.env['BFLY_STORM'] === '1';
const USE_MS = IS_LONG ? 600_000 : 15_000;
/** Caches fill before memory is looked at for the first time. */
const WARM_MS = IS_LONG ? 150_000 : 5_000;
/** However slow the machine is. */
const LEAST_ACTS = 20;
const MB = 2 ** 20;

const describeInBrowsers = hasChromium('long use of the viewer') ? describeWithShared : () => {};

describeInBrowsers('long use of the viewer', () => {
  let server: ViewerServer;
  let browser: Browser;
  const people: ViewerPage[] = [];
  beforeAll(async () => {
    [server, browser] = await Promise.all([startViewerServer(), openChromium()]);
    for (const name of ['Ada', 'Ben'])
      people.push(await ViewerPage.open(browser, `http://127.0.0.1:${server.port}`, name));
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** One thing that people do, decided by a number in [0, 1) and a place. */
  const act = (view: ViewerPage, what: number, at: readonly [number, number, number]): Promise<void> =>
    view.page.evaluate(
      async ([path, kind, voxel]) => {
        const { stage } = window.bfly;
        const channel = stage.volumes.find((one) => one.path === path)?.channel;
        const [x, y, z] = voxel;
        if (channel === undefined) throw new Error('the segmentation is not open');
        const id = BigInt(1 + ((x * 250 + y) % 3_000));
        if (kind < 0.35) stage.goTo([x * 10, y * 10, z * 10], 2.5 + (x % 5));
        else if (kind < 0.55) await channel.edit([{ op: 'merge', ids: [id, id + 1n] }]);
        else if (kind < 0.65) await channel.edit([{ op: 'cleave', ids: [id] }]);
        else if (kind < 0.85) await channel.edit([{ op: 'write', box: [x, y, z, x + 6, y + 6, z + 2], value: id }]);
        else if (channel.canUndo) await channel.undo();
      },
      [SEGMENTS, what, at] as const,
    );

  const heapOf = async (view: ViewerPage): Promise<number> => {
    const devtools = await view.context.newCDPSession(view.page);
    await devtools.send('HeapProfiler.collectGarbage');
    const { usedSize } = await devtools.send('Runtime.getHeapUsage');
    await devtools.detach();
    return usedSize / MB;
  };

  it(
    `goes on for ${USE_MS / 1_000} s without a complaint, and memory stays flat`,
    async () => {
      const next = seededRandom(testSeed('long use'));
      const random = (from: number, end: number): number => from + Math.floor(next() * (end - from));
      const place = (): [number, number, number] => [random(0, 240), random(0, 240), random(60, 190)];
      const begin = Date.now();
      let before: number[] | undefined;
      let acts = 0;
      while (Date.now() - begin < USE_MS || acts < LEAST_ACTS) {
        for (const view of people) {
          await act(view, next(), place());
          await view.page.mouse.move(random(100, 900), random(150, 600));
          acts++;
        }
        if (before === undefined && Date.now() - begin > WARM_MS)
          before = [...(await Promise.all(people.map(heapOf))), process.memoryUsage.rss() / MB];
        await people[0]?.page.waitForTimeout(50);
      }
      const after = [...(await Promise.all(people.map(heapOf))), process.memoryUsage.rss() / MB];
      console.log(
        `${acts} acts; MiB of both pages and the server: ${before?.map(Math.round)} → ${after.map(Math.round)}`,
      );
      for (const view of people) expect(view.complaints, view.name).toEqual([]);
      if (!IS_LONG || before === undefined) return;
      after.forEach((size, at) => {
        expect(size).toBeLessThan(1.25 * (before?.[at] ?? 0) + 10);
      });
    },
    USE_MS + 120_000,
  );
});
