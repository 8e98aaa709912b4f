/** What is said where there is nothing to show, and what one can do. */
import type { JSX } from 'preact';
import { useHome } from './home.ts';

/** Users that nobody gave a token. */
const VISITOR = /^anonymous:/;

/** Nothing is served, or nothing for us: the server does not tell which to somebody who may not know. */
export function EmptyPage(): JSX.Element {
  const { user } = useHome().deps.session;
  return VISITOR.test(user.id) || user.id === '' ? <NothingServed /> : <NothingForYou id={user.id} name={user.name} />;
}

function NothingServed(): JSX.Element {
  return (
    <section class="home-page-note">
      <h2>Nothing is served here yet</h2>
      <p>Start the server with your data, or with a volume that it makes itself:</p>
      <AddingData />
      <p class="home-dim">
        It reads HDF5, TIFF, folders of pictures, Neuroglancer precomputed, Zarr, N5, NIfTI and Mojo. This page shows
        the volumes as soon as the server is back.
      </p>
      <p class="home-dim">Did you expect to see something? You came without a token, and some volumes may need one.</p>
    </section>
  );
}

function AddingData(): JSX.Element {
  return (
    <dl class="home-commands">
      <dt>
        <code>bfly serve ~/data</code>
      </dt>
      <dd>every volume in a folder, found by itself</dd>
      <dt>
        <code>bfly serve ~/data/my.h5</code>
      </dt>
      <dd>one file; each of its 3-D datasets is a channel</dd>
      <dt>
        <code>bfly serve --demo</code>
      </dt>
      <dd>an image and a segmentation, to try things on</dd>
    </dl>
  );
}

function NothingForYou({ id, name }: { readonly id: string; readonly name: string }): JSX.Element {
  return (
    <section class="home-page-note">
      <h2>Nothing here for you yet</h2>
      <p>
        You are signed in as <strong>{name || id}</strong>, and this server has no volume that you may read. Ask those
        who run it for a token with rights. They make one so:
      </p>
      <dl class="home-commands">
        <dt>
          <code>bfly token --user {id} --grant 'EXPERIMENT=read' --expires 30d --into auth.yaml</code>
        </dt>
        <dd>the right to read an experiment; a token for you is printed</dd>
      </dl>
      <p>If nothing is served at all, they start the server with data:</p>
      <AddingData />
    </section>
  );
}
