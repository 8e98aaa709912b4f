import { webContract } from '../../contract/web-contract.ts';
import { overUws } from '../../support/over-uws.ts';

overUws('the suite of the router', webContract);
