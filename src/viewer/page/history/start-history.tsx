/** The history of a view: who did what, and the volume as it was. */
import './history.css';
import { render } from 'preact';
import { mountSection } from '../volume/dock-section.tsx';
import type { VolumeView } from '../volume/volume-view.ts';
import { History, HistoryContext } from './history.ts';
import { HistoryPanel } from './history-panel.tsx';
import { PastBand } from './time-bar.tsx';

/** Starts the history of a view. @returns a function that ends it. */
export function startHistory(view: VolumeView): () => void {
  const history = new History(view);
  const section = mountSection(view.dock, 'history', 3);
  const over = document.createElement('div');
  over.className = 'hist-over';
  view.stage.element.append(over);
  render(
    <HistoryContext.Provider value={history}>
      <HistoryPanel />
    </HistoryContext.Provider>,
    section,
  );
  render(
    <HistoryContext.Provider value={history}>
      <PastBand />
    </HistoryContext.Provider>,
    over,
  );
  return () => {
    render(null, section);
    render(null, over);
    section.remove();
    over.remove();
    history.end();
  };
}
