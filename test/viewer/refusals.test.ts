/**
 * What a person is told, and what stays, where the server does not let them: who may only look, who may only annotate, who was slower than
 * somebody else, whose token ends.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser, WebSocket } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FrameType } from '../../protocol/messages.ts';
import { connect, type Session } from '../../src/client/node.ts';
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

/** How long a word may take, where the machine has much to do. */
const SAID_MS = 40_000;

const TOKENS = { rita: 'read', anna: 'annotate', edda: 'edit', ben: 'edit' } as const;
type User = keyof typeof TOKENS;
const tokenOf = (user: User): string => `token-of-${user}-0123456789`;
const nameOf = (user: User): string => user.charAt(0).toUpperCase() + user.slice(1);

/** The file of who may what. @param others lines besides. */
const rules = (users: readonly User[], others = ''): string => {
  const line = (user: User): string =>
    `  - {token: ${tokenOf(user)}, user: ${user}, name: ${nameOf(user)}, grants: {fly: ${TOKENS[user]}}}\n`;
  return `tokens:\n${users.map(line).join('')}${others}`;
};

const describeInBrowsers = hasChromium('what the viewer refuses') ? describeWithShared : () => {};

describeInBrowsers('the view refuses', () => {
  let folder: string;
  let auth: string;
  let server: ViewerServer;
  let browser: Browser;
  let proxy: TcpProxy;
  let ben: Session;
  let edda: ViewerPage;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bfly-refusals-'));
    auth = path.join(folder, 'auth.yaml');
    await writeFile(auth, rules(['rita', 'anna', 'edda', 'ben']));
    [server, browser] = await Promise.all([startViewerServer({ auth }), openChromium()]);
    proxy = await TcpProxy.open(server.port);
    ben = await connect(`http://127.0.0.1:${server.port}`, { token: tokenOf('ben') });
    edda = await open('edda', proxy.port);
  }, 120_000);
  afterAll(async () => {
    await ben?.close();
    await browser?.close();
    await proxy?.close();
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (user: User, port: number): Promise<ViewerPage> =>
    ViewerPage.open(browser, `http://127.0.0.1:${port}`, nameOf(user), tokenOf(user));
  /** Waits until a sentence is on the screen. */
  const told = (view: ViewerPage, text: string | RegExp): Promise<void> =>
    view.page.getByText(text).first().waitFor({ timeout: SAID_MS });
  const status = (view: ViewerPage, text: string): Promise<void> =>
    view.page.locator('.status-text', { hasText: text }).waitFor({ timeout: SAID_MS });
  const tool = (view: ViewerPage, name: string) => view.page.locator(`.tools [data-tool="${name}"]`);
  /** Takes the line of a page away. @returns gives it back. */
  const cut = (): (() => void) => {
    proxy.target = 1;
    proxy.cut();
    return () => {
      proxy.target = server.port;
    };
  };

  it('who may only look: each tool and key says why, and nothing is sent', async () => {
    const rita = await open('rita', server.port);
    const edits: unknown[] = [];
    const listen = (socket: WebSocket): void => {
      socket.on('framesent', ({ payload }) => {
        // A frame is an array: its type comes first.
        if (typeof payload !== 'string' && payload[1] === FrameType.EDIT) edits.push(payload);
      });
    };
    rita.page.on('websocket', listen);
    await rita.page.reload();
    await rita.ready();
    await status(rita, 'read-only');
    const said = async (act: () => Promise<void>, what: string): Promise<void> => {
      await rita.page.evaluate(() => {
        for (const old of document.querySelectorAll('#neuroglancer-status-container li')) old.classList.add('old');
      });
      await act();
      const hasText = `You may look at segmentation, but not ${what} it.`;
      await rita.page
        .locator('#neuroglancer-status-container li:not(.old)', { hasText })
        .first()
        .waitFor({ timeout: SAID_MS });
    };
    await rita.point(BIG.at, BIG.id);
    for (const key of ['m', 'c', 'k', 'g', 'j', 'd', 'w', 'i', 'Control+z', 'Control+Shift+z'])
      await said(() => rita.page.keyboard.press(key), 'edit');
    for (const key of ['p', 't', 'u', 'y']) await said(() => rita.page.keyboard.press(key), 'annotate');
    for (const name of ['merge', 'cleave', 'seeds', 'cut', 'paint', 'erase']) {
      // A click like any other: it is off for who waits until it is on.
      await said(() => tool(rita, name).click({ force: true }), 'edit');
      expect(await tool(rita, name).getAttribute('aria-checked'), name).toBe('false');
    }
    expect(edits).toEqual([]);
    await rita.close();
  }, 180_000);

  it('who may annotate alone: points come to everybody, merges do not', async () => {
    const anna = await open('anna', server.port);
    await anna.point(BIG.at, BIG.id);
    await anna.page.keyboard.press('m');
    await told(anna, 'You may look at segmentation, but not edit it.');
    await anna.page.keyboard.press('p');
    // Where no colour is looked at.
    const { x, y } = await anna.pixelOf([200, 170, 125]);
    await anna.page.mouse.click(x, y);
    await anna.page.keyboard.type('seen by Anna');
    await anna.page.keyboard.press('Enter');
    await told(edda, 'seen by Anna');
    expect(await edda.root(BIG.id)).toBe(String(BIG.id));
    await anna.close();
  }, 180_000);

  it('[E18] who was slower: the cleave is taken back, who won is said, and the rest is kept and can be undone', async () => {
    await ben.edit(SEGMENTS, [{ op: 'merge', ids: [BIG.id, LEFT.id] }]);
    await edda.untilAlike(BIG.at, LEFT.at, true);
    const mend = cut();
    await status(edda, 'Offline');
    await edda.point(LEFT.at, LEFT.id);
    await edda.page.keyboard.press('c');
    await edda.untilAlike(BIG.at, LEFT.at, false);
    await edda.point(LOW.at, LOW.id);
    await edda.page.keyboard.press('m');
    await edda.point(RIGHT.at, RIGHT.id);
    await edda.page.keyboard.press('m');
    await edda.untilAlike(LOW.at, RIGHT.at, true);
    await status(edda, 'Offline, 2 unsent edits');
    await ben.edit(SEGMENTS, [{ op: 'merge', ids: [LEFT.id, UPPER.id] }]);
    mend();
    await told(edda, /^The cleave was taken back: Ben was faster and merged 2 segments into 9775/);
    await edda.untilAlike(BIG.at, LEFT.at, true);
    await edda.untilAlike(BIG.at, UPPER.at, true);
    await edda.untilAlike(LOW.at, RIGHT.at, true);
    expect(await edda.root(LEFT.id)).toBe(String(BIG.id));
    await edda.page.keyboard.press('Control+z');
    await edda.untilAlike(LOW.at, RIGHT.at, false);
    await edda.page.keyboard.press('Control+z');
    await told(edda, 'There is nothing to undo.');
    expect(await edda.root(LEFT.id)).toBe(String(BIG.id));
  }, 180_000);

  it('[E18] who splits what somebody else has painted meanwhile: voxels and ink are as they were', async () => {
    const [x, y, z] = LOW.at;
    // What the stroke meets is read before the split is sent: meanwhile Ben is faster.
    await edda.page.evaluate(() => {
      const { session } = window.bfly;
      const cutout = session.cutout.bind(session);
      const gate = new Promise((resolve) => addEventListener('gate', resolve, { once: true }));
      session.cutout = async (...asked) => {
        const voxels = await cutout(...asked);
        await gate;
        return voxels;
      };
    });
    await edda.page.keyboard.press('j');
    await tool(edda, 'cut').and(edda.page.locator('[aria-checked="true"]')).waitFor();
    await edda.drag([x - 4, y, z], [x + 4, y, z]);
    await ben.edit(SEGMENTS, [{ op: 'write', box: [x, y + 20, z + 1, x + 1, y + 21, z + 2], value: BIG.id }]);
    await edda.page.evaluate(() => dispatchEvent(new Event('gate')));
    await told(edda, /^The split was not made: Ben was faster and painted 1 voxel/);
    await edda.page.keyboard.press('Escape');
    await edda.untilAlike(LOW.at, [x, y + 12, z], true);
    expect(await tool(edda, 'undo').isDisabled()).toBe(true);
  }, 180_000);

  it('whose token ends: asks for another, says of a wrong one that it is, and then sends what was done meanwhile', async () => {
    const ends = new Date(Date.now() + 1_000).toISOString();
    await writeFile(
      auth,
      rules(
        ['ben'],
        `  - {token: ${tokenOf('edda')}, user: edda, expires: "${ends}", grants: {fly: edit}}\n  - {token: another-token-0123456789, user: edda, name: Edda, grants: {fly: edit}}\n`,
      ),
    );
    await status(edda, 'Token expired');
    const field = edda.page.getByLabel('Another token');
    await field.waitFor();
    // Whoever goes on working has put the question away.
    const { x, y } = await edda.pixelOf(LOW.at);
    await edda.page.mouse.click(x, y);
    await field.waitFor({ state: 'hidden' });
    await edda.point(LOW.at, LOW.id);
    await edda.page.keyboard.press('m');
    await edda.point(RIGHT.at, RIGHT.id);
    await edda.page.keyboard.press('m');
    await edda.untilAlike(LOW.at, RIGHT.at, true);
    await edda.page.locator('.status-button').click();
    await field.fill('not-a-token-0123456789');
    await field.press('Enter');
    await status(edda, 'Token not taken');
    await told(edda, /did not take the token that you gave/);
    await told(edda, /1 edit is not sent yet/);
    const { head } = await ben.info(SEGMENTS).then((info) => (info.kind === 'channel' ? info : { head: 0 }));
    await field.fill('another-token-0123456789');
    await field.press('Enter');
    await edda.until('the edit', async () => {
      const info = await ben.info(SEGMENTS);
      return info.kind === 'channel' && info.head === head + 1;
    });
    await edda.untilAlike(LOW.at, RIGHT.at, true);
    await status(edda, 'Live');
  }, 180_000);

  it('a page that is left while it is offline: its edits are sent by the next one', async () => {
    const mend = cut();
    await status(edda, 'Offline');
    await edda.page.mouse.move(5, 5);
    await edda.point(BIG.at, BIG.id);
    await edda.page.keyboard.press('m');
    await edda.point(LOW.at, LOW.id);
    await edda.page.keyboard.press('m');
    await edda.untilAlike(BIG.at, LOW.at, true);
    await status(edda, 'Offline, 1 unsent edit');
    const url = edda.page.url();
    await edda.page.goto('about:blank');
    mend();
    await edda.page.goto(url);
    await edda.ready();
    await told(edda, '1 edit from before the page was loaded arrived at the server.');
    await edda.untilAlike(BIG.at, LOW.at, true);
  }, 180_000);

  it('leaves the console clean', () => {
    expect(
      edda.complaints.filter((line) => !/WebSocket connection to .* failed|ERR_(CONNECTION|EMPTY)|401/.test(line)),
    ).toEqual([]);
  });
});
