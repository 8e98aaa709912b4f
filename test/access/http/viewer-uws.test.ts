import { viewerContract } from '../../contract/viewer-contract.ts';
import { overUws } from '../../support/over-uws.ts';

overUws('the suite of the viewer', viewerContract);
