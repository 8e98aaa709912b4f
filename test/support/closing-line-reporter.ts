/** Ends a run with one plain line of counts, for whoever reads logs. */
import type { Reporter, TestModule } from 'vitest/node';

// vitest takes a reporter from a file by its default export.
// biome-ignore lint/style/noDefaultExport: see above
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      let tests = 0;
      for (const test of module.children.allTests()) {
        tests++;
        const { state } = test.result();
        if (state !== 'pending') counts[state]++;
      }
      // A file that does not even load has no tests to fail.
      if (tests === 0 && module.errors().length > 0) counts.failed++;
    }
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}
