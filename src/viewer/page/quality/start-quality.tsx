/** On a slow line, asks once whether images may come compressed. */
import './quality.css';
import { render } from 'preact';
import type { VolumeView } from '../volume/volume-view.ts';
import { QualityOffer } from './quality-offer.tsx';

/** Starts it. @returns a function that ends it. */
export function startQuality({ bar, quality }: VolumeView): () => void {
  const place = document.createElement('div');
  place.className = 'quality';
  place.setAttribute('role', 'status');
  bar.append(place);
  render(<QualityOffer quality={quality} />, place);
  return () => {
    render(null, place);
    place.remove();
  };
}
