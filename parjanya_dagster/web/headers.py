"""Response headers: nothing foreign is loaded, framed, guessed or kept."""

from typing import Final


def content_policy(*, image_origin: str = "") -> str:
    """Return the content security policy.

    Args:
        image_origin: where images may come from besides ourselves: the storage that previews redirect to.
    """
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        f"img-src 'self'{' ' + image_origin if image_origin else ''}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


HEADERS: Final = {
    "Content-Security-Policy": content_policy(),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
