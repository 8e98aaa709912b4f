/**
 * Three people in one volume, each in a browser of their own: what one does, the others see, on the state and on the screen; whoever comes
 * late, is cut off, or outlives the server sees the same.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EditOp } from '../../src/client/index.ts';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { describeWithShared } from '../support/shared-data.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { ViewerPage } from '../support/viewer-page.ts';
import { SEGMENTS, startViewerServer, type ViewerServer } from '../support/viewer-server.ts';

/** Segments of the slice that is shown, and a voxel well inside each. */
const BIG = { id: 9775, at: [141, 105, 125] } as const;
const LEFT = { id: 26556, at: [63, 99, 125] } as const;
const LOW = { id: 22512, at: [78, 153, 125] } as const;
const RIGHT = { id: 7319, at: [165, 132, 125] } as const;
const UPPER = { id: 22271, at: [126, 81, 125] } as const;

const describeInBrowsers = hasChromium('the viewer in three browsers') ? describeWithShared : () => {};

describeInBrowsers('three people in one volume', () => {
  let server: ViewerServer;
  let browser: Browser;
  let ada: ViewerPage;
  let ben: ViewerPage;
  const everybody: ViewerPage[] = [];
  const origin = (port: number): string => `http://127.0.0.1:${port}`;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startViewerServer(), openChromium()]);
    [ada, ben] = await Promise.all([
      ViewerPage.open(browser, origin(server.port), 'Ada'),
      ViewerPage.open(browser, origin(server.port), 'Ben'),
    ]);
    everybody.push(ada, ben);
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** An edit as the tools make it. @returns its seq. */
  const edit = (view: ViewerPage, ops: readonly EditOp[]): Promise<number> =>
    view.page.evaluate(
      async ([path, text]) => {
        const all = JSON.parse(text, (_, value) =>
          typeof value === 'string' && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
        ) as EditOp[]; // as they were
        const channel = window.bfly.stage.volumes.find((one) => one.path === path)?.channel;
        return (await channel?.edit(all))?.seq ?? 0;
      },
      [SEGMENTS, JSON.stringify(ops, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))] as const,
    );
  /** Tiles that the server has sent to anybody. */
  const tilesSent = async (): Promise<string> => {
    const text = await (await fetch(`${origin(server.port)}/metrics`)).text();
    return /^bfly_tiles_sent_total (\d+)$/m.exec(text)?.[1] ?? 'unknown';
  };
  const allSee = (see: (view: ViewerPage) => Promise<void>): Promise<unknown> => Promise.all(everybody.map(see));

  it('loads at most 600 KB, gzip, until a volume is seen', async () => {
    const names = [...ada.assets];
    expect(names.some((name) => name.startsWith('chunk-worker-'))).toBe(true);
    const sizes = await Promise.all(
      names.map(
        async (name) => gzipSync(await readFile(path.join(server.viewer, 'assets', name)), { level: 9 }).length,
      ),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(600_000);
  });

  it('shows a merge to everybody, without a chunk being loaded again', async () => {
    await allSee((view) => view.untilAlike(BIG.at, LEFT.at, false));
    const sent = await tilesSent();
    await ada.point(BIG.at, BIG.id);
    await ada.page.keyboard.press('m');
    await ada.point(LEFT.at, LEFT.id);
    await ada.page.keyboard.press('m');
    await allSee((view) => view.untilAlike(BIG.at, LEFT.at, true));
    expect(await ben.root(LEFT.id)).toBe(String(BIG.id));
    expect(await tilesSent()).toBe(sent);
  }, 120_000);

  it('shows a cleave to everybody, and its undo', async () => {
    await ben.point(LEFT.at, LEFT.id);
    await ben.page.keyboard.press('c');
    await allSee((view) => view.untilAlike(BIG.at, LEFT.at, false));
    await ben.page.keyboard.press('Control+z');
    await allSee((view) => view.untilAlike(BIG.at, LEFT.at, true));
  }, 120_000);

  it('shows painted voxels to everybody', async () => {
    const [x, y, z] = RIGHT.at;
    await allSee((view) => view.untilAlike(RIGHT.at, LOW.at, false));
    await ada.page.keyboard.press('d');
    await ada.point(LOW.at, LOW.id);
    await ada.page.keyboard.press('i');
    await ada.drag([x - 6, y, z], [x + 6, y, z]);
    await allSee((view) => view.untilAlike(RIGHT.at, LOW.at, true));
    await ada.page.keyboard.press('Escape');
    await ada.page.keyboard.press('Control+z');
    await allSee((view) => view.untilAlike(RIGHT.at, LOW.at, false));
  }, 120_000);

  it('splits a segment by seeds', async () => {
    const [x, y, z] = LOW.at;
    const inside = [x - 4, y, z] as const;
    await ada.page.keyboard.press('g');
    await ada.drag([x - 5, y - 3, z], [x - 5, y + 3, z]);
    await ada.drag([x + 5, y - 3, z], [x + 5, y + 3, z]);
    await ada.page.keyboard.press('Enter');
    // The seeds are coloured too: the voxels are looked at once they are gone.
    await ada.page.getByText('voxels are a segment of their own now').waitFor();
    await allSee((view) => view.untilAlike(inside, [x + 5, y, z], false));
    await ada.page.keyboard.press('Escape');
    await ada.page.keyboard.press('Control+z');
    await allSee((view) => view.untilAlike(inside, [x + 5, y, z], true));
    expect(await ben.root(LEFT.id)).toBe(String(BIG.id));
  }, 120_000);

  it('undoes a split that is still being prepared, and not the edit before it', async () => {
    const [x, y, z] = LOW.at;
    const before = await ben.seq();
    await ada.page.keyboard.press('g');
    await ada.drag([x - 5, y - 3, z], [x - 5, y + 3, z]);
    await ada.drag([x + 5, y - 3, z], [x + 5, y + 3, z]);
    await ada.page.keyboard.press('Enter');
    await ada.page.keyboard.press('Control+z');
    await ben.until('the split and its undo', async () => (await ben.seq()) === before + 2);
    await ada.page.keyboard.press('Escape');
    await allSee((view) => view.untilAlike([x - 4, y, z], [x + 5, y, z], true));
    expect(await ben.root(LEFT.id)).toBe(String(BIG.id));
  }, 120_000);

  it('shows where the others point, by name, until they leave', async () => {
    await ada.point(UPPER.at, UPPER.id);
    expect(await ben.page.locator('.people-row[data-person="Ada"]').count()).toBe(1);
    await ben.page.locator('.people-cursor', { hasText: 'Ada' }).first().waitFor();
    await ada.page.mouse.move(5, 5);
    await ben.page.locator('.people-cursor', { hasText: 'Ada' }).first().waitFor({ state: 'hidden' });
  }, 60_000);

  it('shows an annotation to everybody, with its text', async () => {
    const [x, y, z] = RIGHT.at;
    await edit(ben, [
      { op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [x, y, z], text: 'look here' }] },
    ]);
    await allSee((view) => view.page.locator('.volume-dock').getByText('look here').first().waitFor());
  }, 60_000);

  it('shows somebody who comes late what there is', async () => {
    const cleo = await ViewerPage.open(browser, origin(server.port), 'Cleo');
    everybody.push(cleo);
    await cleo.untilAlike(BIG.at, LEFT.at, true);
    await cleo.untilAlike(RIGHT.at, LOW.at, false);
  }, 120_000);

  it('goes on after a restart of the server, with what was done before and after', async () => {
    await server.stop();
    await server.start();
    await edit(ben, [{ op: 'merge', ids: [BigInt(BIG.id), BigInt(UPPER.id)] }]);
    await allSee((view) => view.untilAlike(BIG.at, UPPER.at, true));
    await allSee((view) => view.untilAlike(BIG.at, LEFT.at, true));
  }, 120_000);

  it('keeps an edit that was made while the line was cut, and sends it when there is one', async () => {
    const proxy = await TcpProxy.open(server.port);
    try {
      const dan = await ViewerPage.open(browser, origin(proxy.port), 'Dan');
      everybody.push(dan);
      proxy.target = 1;
      proxy.cut();
      const sent = edit(dan, [{ op: 'cleave', ids: [BigInt(UPPER.id)] }]);
      await dan.untilAlike(BIG.at, UPPER.at, false);
      expect(await ben.root(UPPER.id)).toBe(String(BIG.id));
      proxy.target = server.port;
      expect(await sent).toBeGreaterThan(0);
      await allSee((view) => view.untilAlike(BIG.at, UPPER.at, false));
      // What of the page was to come just when the line was cut has come, too.
      await dan.page.locator('.hist-row').first().waitFor();
    } finally {
      await proxy.close();
    }
  }, 120_000);

  it('leaves the console clean', () => {
    for (const { name, complaints } of everybody)
      expect(
        complaints.filter((line) => !/WebSocket connection to .* failed|ERR_(CONNECTION|EMPTY|SOCKET)/.test(line)),
        name,
      ).toEqual([]);
  });
});
