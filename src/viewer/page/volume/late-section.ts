/** Sections of the dock whose code comes once the volumes are seen: nobody waits for it to see them. */
import { untilLoaded } from '../until-loaded.ts';
import { mountSection } from './dock-section.tsx';
import type { VolumeView } from './volume-view.ts';

/** A section that comes late. */
export interface LateSection {
  readonly name: string;
  /** Its place in the dock. */
  readonly order: number;
  /** What it is called where it cannot be had. */
  readonly title: string;
  /** Loads what shows it; that gives back a function that ends it. */
  load(): Promise<(view: VolumeView, section: HTMLElement) => () => void>;
}

/** Starts a section on a view. @returns a function that ends it. */
export function startLateSection(view: VolumeView, { name, order, title, load }: LateSection): () => void {
  const section = mountSection(view.dock, name, order);
  let end: (() => void) | undefined;
  let isOver = false;
  const start = async (): Promise<void> => {
    await view.seen;
    const show = await untilLoaded(load);
    if (!isOver) end = show(view, section);
  };
  const forget = view.stage.on('volumes', () => {
    if (view.stage.volumes.length === 0) return;
    forget();
    start().catch(() => view.stage.say(`${title} could not be loaded: reload the page to try again`, 'error'));
  });
  return () => {
    isOver = true;
    forget();
    end?.();
    section.remove();
  };
}
