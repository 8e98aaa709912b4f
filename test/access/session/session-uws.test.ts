import { sessionContract } from '../../contract/session-contract.ts';
import { overUws } from '../../support/over-uws.ts';

overUws('the suite of session', sessionContract);
