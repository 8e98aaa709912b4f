/** Notices over the view, each until it is put away. */
import type { JSX } from 'preact';
import type { Notices } from './notices.ts';

export function NoticeList({ notices }: { readonly notices: Notices }): JSX.Element {
  return (
    <div class="status-notices" role="status">
      {notices.list.value.map(({ id, kind, text, again }) => (
        <div key={id} class="status-notice" data-kind={kind}>
          <span>{text}</span>
          {again === undefined ? null : (
            <button type="button" class="page-button" onClick={again}>
              Send again
            </button>
          )}
          <button type="button" class="page-button" title="Put this notice away" onClick={() => notices.dismiss(id)}>
            {again === undefined ? 'OK' : 'Forget'}
          </button>
        </div>
      ))}
    </div>
  );
}
