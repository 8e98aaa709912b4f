/** The page: the list of what the server holds, or a view of some of it. */
import './style.css';
import { BflyError, connect, type Session } from '../../client/index.ts';
import { showHome } from './home/show-home.tsx';
import { loadIdentity } from './identity.ts';
import { pageFolder, socketUrl } from './server-place.ts';
import { keepToken, takeToken } from './token.ts';

const root = document.querySelector<HTMLElement>('#page') ?? document.body;
const folder = pageFolder();
let leave = (): void => {};
let shown: 'home' | 'volume' | undefined;

/** Asks for a token until the server takes one. */
async function openSession(): Promise<Session> {
  const { name, color } = loadIdentity();
  for (let token = takeToken(); ; ) {
    try {
      return await connect(socketUrl(folder), {
        client: 'bfly viewer',
        name,
        color,
        ...(token === undefined ? {} : { token }),
      });
    } catch (error) {
      if (!(error instanceof BflyError) || (error.code !== 'UNAUTHENTICATED' && error.code !== 'FORBIDDEN'))
        throw error;
      const { askToken } = await import('./volume/ask-token.ts');
      token = await askToken(root, error.message);
      keepToken(token);
    }
  }
}

/** A view is in the address, behind `#!`. */
function isView(): boolean {
  return location.hash.startsWith('#!');
}

async function show(session: Session): Promise<void> {
  const wanted = isView() ? 'volume' : 'home';
  if (wanted === shown) return;
  shown = wanted;
  leave();
  leave = () => {};
  root.replaceChildren();
  if (wanted === 'home') {
    const linkTo = (paths: readonly string[]): string => `?open=${paths.map(encodeURIComponent).join(',')}`;
    leave = showHome(root, { session, linkTo, open: (paths) => location.assign(linkTo(paths)) });
    return;
  }
  const { showVolume } = await import('./volume/show-volume.ts');
  leave = showVolume(root, { session, folder });
}

async function begin(): Promise<void> {
  const session = await openSession();
  const paths = new URLSearchParams(location.search).get('open')?.split(',') ?? [];
  if (paths.length > 0 && !isView()) {
    const { firstView } = await import('./volume/first-view.ts');
    const state = await firstView(session, paths);
    history.replaceState(null, '', `${location.pathname}#!${encodeURI(JSON.stringify(state))}`);
  }
  // A view and the list share nothing: whoever goes from one to the other begins anew.
  addEventListener('hashchange', () => {
    if ((isView() ? 'volume' : 'home') !== shown) location.reload();
  });
  await show(session);
}

begin().catch((error: unknown) => {
  const text = document.createElement('p');
  text.className = 'page-fault';
  text.setAttribute('role', 'alert');
  text.textContent = error instanceof Error ? error.message : String(error);
  root.replaceChildren(text);
});
