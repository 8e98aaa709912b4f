/** A slice of a channel, drawn. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ChannelState } from './channel-state.ts';
import type { Picture } from './thumbnail-pixels.ts';

/** Pictures that are narrower show their voxels as squares. */
const SMALL = 96;

/** @param props.name of the channel. */
export function ThumbnailView({ state, name }: { readonly state: ChannelState; readonly name: string }): JSX.Element {
  const thumbnail = state.thumbnail.value;
  switch (thumbnail.kind) {
    case 'drawn':
      return (
        <div class="home-thumbnail">
          <Canvas picture={thumbnail.picture} label={`The middle slice of ${name}`} />
        </div>
      );
    case 'failed':
      return (
        <div class="home-thumbnail home-thumbnail-failed" title={thumbnail.fault}>
          No picture
        </div>
      );
    default:
      return <div class="home-thumbnail" />;
  }
}

function Canvas({ picture, label }: { readonly picture: Picture; readonly label: string }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height, rgba } = picture;
  useLayoutEffect(() => {
    canvas.current?.getContext('2d')?.putImageData(new ImageData(rgba, width, height), 0, 0);
  }, [rgba, width, height]);
  const isSmall = Math.min(width, height) < SMALL;
  return (
    <canvas
      ref={canvas}
      class={isSmall ? 'home-canvas home-canvas-small' : 'home-canvas'}
      width={width}
      height={height}
      role="img"
      aria-label={label}
    />
  );
}
