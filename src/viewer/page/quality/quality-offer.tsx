/** What is asked of the quality of images, and where the answer is found again. */
import type { JSX } from 'preact';
import type { ImageQuality } from './image-quality.ts';

interface QualityProps {
  readonly quality: ImageQuality;
}

/** The question. */
export function QualityOffer({ quality }: QualityProps): JSX.Element | null {
  if (!quality.isOffered.value) return null;
  return (
    <div class="quality-offer status-notice">
      <span>The line is slow: show images compressed (JPEG)?</span>
      <button type="button" class="page-button" onClick={() => quality.choose(true)}>
        Show compressed
      </button>
      <button type="button" class="page-button" onClick={() => quality.choose(false)}>
        Keep exact
      </button>
    </div>
  );
}

/** The answer, to be seen and changed. */
export function QualitySwitch({ quality }: QualityProps): JSX.Element {
  return (
    <label class="quality-switch">
      <input
        type="checkbox"
        checked={quality.isLossy.value}
        onChange={({ currentTarget }) => quality.choose(currentTarget.checked)}
      />
      Show images compressed (JPEG): faster on a slow line, not exact
    </label>
  );
}
