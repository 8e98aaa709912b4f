/** Shows the history of a view: who did what, and the volume as it was. */
import './history.css';
import { render } from 'preact';
import type { VolumeView } from '../volume/volume-view.ts';
import { History, HistoryContext } from './history.ts';
import { HistoryPanel } from './history-panel.tsx';
import { PastBand } from './time-bar.tsx';

/** @param section is rendered into. @returns a function that ends it. */
export function showHistory(view: VolumeView, section: HTMLElement): () => void {
  const history = new History(view);
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
    over.remove();
    history.end();
  };
}
