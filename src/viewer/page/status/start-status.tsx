/** The state of the line, in the bar; new tokens for the worker; edits of before a reload. */
import './status.css';
import { render } from 'preact';
import type { VolumeView } from '../volume/volume-view.ts';
import { LineState } from './line-state.ts';
import { Notices } from './notices.ts';
import { StatusLine } from './status-line.tsx';

/** Starts it. @returns a function that ends it. */
export function startStatus(view: VolumeView): () => void {
  const { bar, session, kept, access, tellWorker, stage } = view;
  const state = new LineState(view);
  const notices = new Notices(session, kept);
  const place = document.createElement('div');
  place.className = 'status';
  bar.append(place);
  render(<StatusLine view={view} state={state} notices={notices} />, place);
  const recovered = new Set<string>();
  const recover = (path: string): void => {
    if (recovered.has(path)) return;
    recovered.add(path);
    // A path that cannot be had is tried again with the next page.
    session.recover(path).catch(() => recovered.delete(path));
  };
  const look = (): void => {
    for (const { path, channel } of stage.volumes) if (channel !== undefined) recover(path);
  };
  kept.paths().then(
    (paths) => paths.forEach(recover),
    () => {}, // a browser that keeps nothing
  );
  look();
  const ends = [
    access.onToken((token) => tellWorker({ kind: 'token', token })),
    stage.on('volumes', look),
    session.on('error', ({ code, message }) => {
      // Of a connection that is lost the status tells.
      const isToken = code === 'UNAUTHENTICATED' || code === 'FORBIDDEN';
      if (isToken && session.state === 'live') stage.say(`The token was not taken: ${message}`, 'error');
    }),
  ];
  return () => {
    for (const end of ends) end();
    state.end();
    notices.end();
    render(null, place);
    place.remove();
  };
}
