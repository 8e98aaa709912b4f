import { webServiceContract } from '../../contract/web-service-contract.ts';
import { overUws } from '../../support/over-uws.ts';

overUws('the suite of pages about the server', webServiceContract);
