import { describe, expect, it } from 'vitest';
import { clampWindow, WindowController } from '../../src/client/window.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** A link whose queue grows once more is in flight than it holds: what a full window does to the round trip. */
interface SimulatedLink {
  readonly idleMs: number;
  readonly bytesPerMs: number;
}

/** One measurement while a pull keeps the window full. */
function load(controller: WindowController, link: SimulatedLink): number {
  const inFlight = controller.bytes;
  const ms = Math.max(link.idleMs, inFlight / link.bytesPerMs);
  controller.sample({ ms, bytes: Math.min(inFlight, ms * link.bytesPerMs) });
  return ms;
}

function run(controller: WindowController, link: SimulatedLink, times: number): number {
  let ms = 0;
  for (let i = 0; i < times; i++) ms = load(controller, link);
  return ms;
}

const mbit = (n: number): number => (n * 1e6) / 8 / 1_000;

describe('the window of a connection', () => {
  it('[D15] grows to 4 MiB on a fast link in a few round trips', () => {
    const controller = new WindowController(256 * KiB);
    controller.sample({ ms: 0.3, bytes: 0 });
    run(controller, { idleMs: 0.3, bytesPerMs: 1e6 }, 5);
    expect(controller.bytes).toBe(4 * MiB);
  });

  it('[D15] fills a long fat link', () => {
    const controller = new WindowController(256 * KiB);
    const link = { idleMs: 100, bytesPerMs: mbit(200) };
    controller.sample({ ms: link.idleMs, bytes: 0 });
    run(controller, link, 30);
    expect(controller.bytes).toBeGreaterThanOrEqual(link.idleMs * link.bytesPerMs * 0.9);
  });

  it('[D15] shrinks on a slow link until an edit need not wait long behind tiles', () => {
    const controller = new WindowController(256 * KiB);
    const link = { idleMs: 5, bytesPerMs: mbit(20) };
    controller.sample({ ms: link.idleMs, bytes: 0 });
    const ms = run(controller, link, 40);
    expect(ms - link.idleMs).toBeLessThanOrEqual(60);
    expect(controller.bytes).toBeGreaterThanOrEqual(64 * KiB);
  });

  it('follows a link that becomes slow and fast again', () => {
    const controller = new WindowController(256 * KiB);
    controller.sample({ ms: 1, bytes: 0 });
    run(controller, { idleMs: 1, bytesPerMs: mbit(10_000) }, 10);
    expect(controller.bytes).toBe(4 * MiB);
    run(controller, { idleMs: 1, bytesPerMs: mbit(50) }, 40);
    expect(controller.bytes).toBeLessThan(512 * KiB);
    run(controller, { idleMs: 1, bytesPerMs: mbit(10_000) }, 40);
    expect(controller.bytes).toBe(4 * MiB);
  });

  it('does not take a full queue for the idle round trip, however long it lasts', () => {
    const controller = new WindowController(256 * KiB);
    const link = { idleMs: 5, bytesPerMs: mbit(20) };
    controller.sample({ ms: link.idleMs, bytes: 0 });
    run(controller, link, 10_000);
    expect(controller.idleMs).toBe(5);
    expect(run(controller, link, 1)).toBeLessThanOrEqual(70);
  });

  it('learns a longer idle round trip while nothing is under way', () => {
    const controller = new WindowController(256 * KiB);
    controller.sample({ ms: 5, bytes: 0 });
    for (let i = 0; i < 30; i++) controller.sample({ ms: 105, bytes: 0 });
    expect(controller.idleMs).toBeGreaterThan(100);
  });

  it('stays as it is where the window is not what holds the tiles back', () => {
    const controller = new WindowController(256 * KiB);
    controller.sample({ ms: 1, bytes: 0 });
    for (let i = 0; i < 20; i++) controller.sample({ ms: 1, bytes: 20 * KiB });
    expect(controller.bytes).toBe(256 * KiB);
  });

  it('[H7] keeps within 64 KiB and 4 MiB', () => {
    const controller = new WindowController(1);
    expect(controller.bytes).toBe(64 * KiB);
    controller.sample({ ms: 1, bytes: 0 });
    for (let i = 0; i < 100; i++) controller.sample({ ms: 500, bytes: MiB });
    expect(controller.bytes).toBe(64 * KiB);
    expect(clampWindow(1e9)).toBe(4 * MiB);
  });
});
