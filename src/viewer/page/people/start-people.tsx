/** People in a view: their cursors, the list of who is here, and my view that follows one of them. */
import './people.css';
import { render } from 'preact';
import { mountSection } from '../volume/dock-section.tsx';
import type { VolumeView } from '../volume/volume-view.ts';
import { FollowBand } from './follow-band.tsx';
import { People } from './people.ts';
import { PeopleSection } from './people-section.tsx';

/** Starts them. @returns a function that ends them. */
export function startPeople(view: VolumeView): () => void {
  const people = new People(view);
  const section = mountSection(view.dock, 'people', 1);
  const band = document.createElement('div');
  band.className = 'people-band-place';
  view.stage.element.append(band);
  render(<PeopleSection people={people} />, section);
  render(<FollowBand follow={people.follow} />, band);
  return () => {
    people.end();
    render(null, section);
    render(null, band);
    section.remove();
    band.remove();
  };
}
