/** The ends of the bar, and the frame of the dock. */
import './help.css';
import { render } from 'preact';
import { DockFrame } from '../volume/dock-frame.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { HelpBar, HomeLink } from './help-bar.tsx';
import { letTabOut } from './let-tab-out.ts';

/** Starts them. @returns a function that ends them. */
export function startHelp(view: VolumeView): () => void {
  const { bar, dock, stage } = view;
  const frame = new DockFrame(dock);
  const keepIn = letTabOut(stage.element);
  const [home, ends] = [makePlace('help-start'), makePlace('help-end')];
  bar.prepend(home);
  bar.append(ends);
  render(<HomeLink />, home);
  render(<HelpBar view={view} frame={frame} />, ends);
  return () => {
    frame.end();
    keepIn();
    for (const element of [home, ends]) {
      render(null, element);
      element.remove();
    }
  };
}

function makePlace(name: string): HTMLElement {
  const element = document.createElement('div');
  element.className = name;
  return element;
}
