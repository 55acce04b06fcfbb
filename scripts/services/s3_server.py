"""moto's S3 server with conditional writes that are atomic, as S3's are.

moto looks whether the key is there, and writes it later. Another thread may write it in between: then both writers of a
race are told that they have won, and the commit of one is lost. Here conditional writes wait for each other.

Called with the port, on 127.0.0.1.
"""

import signal
import sys
import threading

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple

moto = DomainDispatcherApplication(create_backend_app)
writing = threading.Lock()


def application(environ, start_response):
    is_write = environ["REQUEST_METHOD"] in ("PUT", "POST")
    if is_write and ("HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MATCH" in environ):
        with writing:
            return list(moto(environ, start_response))
    return moto(environ, start_response)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True, request_handler=MotoRequestHandler)
