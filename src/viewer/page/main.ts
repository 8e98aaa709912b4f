/** The page: the list of what the server holds, or a view of some of it. */
import './style.css';
import { BflyError, connect, type Session } from '../../client/index.ts';
import { Access, secretStore } from './access.ts';
import { keepWriters } from './browser-keeping.ts';
import { loadIdentity } from './identity.ts';
import { ChunkLine } from './neuroglancer/chunk-line.ts';
import { chosenImages } from './quality/images-choice.ts';
import { pageFolder, socketUrl } from './server-place.ts';
import { keepToken, takeToken } from './token.ts';

const root = document.querySelector<HTMLElement>('#page') ?? document.body;
const folder = pageFolder();
const access = new Access({ token: takeToken, keepToken, ...secretStore(folder) });
const kept = keepWriters(folder);
let leave = (): void => {};
/** Begun as soon as it is known that there will be a view. */
let line: ChunkLine | undefined;
let shown: 'home' | 'volume' | undefined;

/** The view's code comes while the server is connected to. */
const loadVolume = (): Promise<typeof import('./volume/show-volume.ts')> => import('./volume/show-volume.ts');

/** Asks for a token until the server takes one. */
async function openSession(): Promise<Session> {
  const { name, color } = loadIdentity();
  for (;;) {
    try {
      const session = await connect(socketUrl(folder), {
        ...{ client: 'bfly viewer', name, color, writers: kept },
        token: (wish) => access.token(wish),
      });
      const welcomed = (): void => access.welcomed(session.secret);
      session.on('state', (state) => state === 'live' && welcomed());
      session.on('renewed', welcomed);
      welcomed();
      return session;
    } catch (error) {
      if (!(error instanceof BflyError) || (error.code !== 'UNAUTHENTICATED' && error.code !== 'FORBIDDEN'))
        throw error;
      if (!access.hasToken && access.forgetSecret()) continue;
      const { askToken } = await import('./volume/ask-token.ts');
      access.give(await askToken(root, error.message));
    }
  }
}

/** A view is in the address, behind `#!`. */
function isView(): boolean {
  return location.hash.startsWith('#!');
}

function beginLine(): ChunkLine {
  const token = takeToken();
  line ??= new ChunkLine({ folder, isLossy: chosenImages() === 'jpeg', ...(token === undefined ? {} : { token }) });
  return line;
}

async function show(session: Session): Promise<void> {
  const wanted = isView() ? 'volume' : 'home';
  if (wanted === shown) return;
  shown = wanted;
  leave();
  leave = () => {};
  root.replaceChildren();
  if (wanted === 'home') {
    const { showHome } = await import('./home/show-home.tsx');
    const linkTo = (paths: readonly string[]): string => `?open=${paths.map(encodeURIComponent).join(',')}`;
    leave = showHome(root, { session, linkTo, open: (paths) => location.assign(linkTo(paths)) });
    return;
  }
  const { showVolume } = await loadVolume();
  leave = showVolume(root, { session, line: beginLine(), access, kept });
}

async function begin(): Promise<void> {
  const paths = new URLSearchParams(location.search).get('open')?.split(',') ?? [];
  if (paths.length > 0 || isView()) {
    loadVolume().catch(() => {}); // who needs it says what is wrong
    beginLine();
  }
  const session = await openSession();
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
