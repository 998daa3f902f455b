"""The views of shop.py, by Django."""

from __future__ import annotations

import threading

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

TOGETHER = threading.Barrier(4)


def order(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(f"order {number}\n")


def together(request: HttpRequest, number: int) -> HttpResponse:
    TOGETHER.wait(10)
    return HttpResponse(f"order {number}\n")


def fails(request: HttpRequest | None, number: int) -> HttpResponse:
    raise LookupError(f"no order {number}")


def in_a_thread(request: HttpRequest, number: int) -> HttpResponse:
    thread = threading.Thread(target=fails, args=(None, number))
    thread.start()
    thread.join()
    return HttpResponse("failed elsewhere\n")


def stream(request: HttpRequest, number: int) -> StreamingHttpResponse:
    return StreamingHttpResponse((f"line {line}\n" for line in range(number)), content_type="text/plain")


urlpatterns = [
    path("order/<int:number>", order),
    path("together/<int:number>", together),
    path("fails/<int:number>", fails),
    path("thread/<int:number>", in_a_thread),
    path("stream/<int:number>", stream),
]
