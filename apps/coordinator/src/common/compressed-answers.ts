/**
 * Long answers of a GET are compressed where the caller takes gzip: lists of figures shrink to a tenth. Those of commands are not, since
 * some carry a secret, nor anything that is sent as a stream.
 */
import { gzip } from 'node:zlib';
import type { NextFunction, Request, Response } from 'express';

/** Below it, headers and packets cost as much. */
const bytesMin = 1400;
/** Half the work of the library's own level, for a tenth more bytes. */
const level = 4;

/** Compress what is sent as a text. */
export function compressAnswers(request: Request, response: Response, next: NextFunction): void {
  if (request.method !== 'GET') {
    next();
    return;
  }
  const send = response.send.bind(response);
  response.send = (body: unknown) => {
    if (typeof body !== 'string' || body.length < bytesMin) return send(body);
    response.vary('Accept-Encoding');
    if (request.acceptsEncodings('gzip') !== 'gzip') return send(body);
    gzip(body, { level }, (error, compressed) => {
      if (response.headersSent || response.destroyed) return; // whoever asked is gone
      if (error === null) response.setHeader('Content-Encoding', 'gzip');
      send(error === null ? compressed : body);
    });
    return response;
  };
  next();
}
