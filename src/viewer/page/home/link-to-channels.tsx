/** A link to a view: a true one, for middle clicks and copies; a plain click is the page's. */
import type { ComponentChildren, JSX } from 'preact';
import { STOP } from './arrow-keys.ts';
import { useHome } from './home.ts';

interface LinkProps {
  readonly paths: readonly string[];
  readonly class: string;
  /** Arrow keys stop here. */
  readonly isStop?: boolean;
  readonly title?: string;
  readonly children: ComponentChildren;
}

/** @param props.paths of the channels to see. */
export function LinkToChannels({ paths, class: name, isStop, title, children }: LinkProps): JSX.Element {
  const { deps } = useHome();
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    deps.open(paths);
  };
  return (
    <a
      class={name}
      href={deps.linkTo(paths)}
      onClick={follow}
      title={title}
      {...(isStop === true ? { [STOP]: '' } : {})}
    >
      {children}
    </a>
  );
}
