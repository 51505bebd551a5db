"""ONNX Runtime GenAI by its C interface (ort_genai_c.h), through ctypes; the library comes with onnxruntime-genai.

Its own Python module holds the interpreter's lock while it computes: a server in the same process could neither send a
token before the next one is there, nor notice that a client left. A call through ctypes lets go of it
(docs/decisions/0035). Handles are freed by `close`. The interface promises nothing to two threads at once, so every
call but `terminate` is for the one whose turn it is.
"""

import ctypes
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shortlist.errors import EngineError

_TELEMETRY = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "ORT_GENAI_TELEMETRY_DISABLED")
_LIBRARIES = ("libonnxruntime-genai.so", "libonnxruntime-genai.dylib", "onnxruntime-genai.dll")

_Handle, _Text, _Bool, _Size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_bool, ctypes.c_size_t
_Out = ctypes.POINTER(_Handle)
_Tokens = ctypes.POINTER(ctypes.c_int32)

_RESULTS: Mapping[str, tuple[Any, ...]] = {
    "OgaCreateConfig": (_Text, _Out),
    "OgaConfigClearProviders": (_Handle,),
    "OgaConfigAppendProvider": (_Handle, _Text),
    "OgaConfigOverlay": (_Handle, _Text),
    "OgaCreateModelFromConfig": (_Handle, _Out),
    "OgaModelGetDeviceType": (_Handle, _Out),
    "OgaCreateTokenizer": (_Handle, _Out),
    "OgaTokenizerApplyChatTemplate": (_Handle, _Text, _Text, _Text, _Bool, _Out),
    "OgaTokenizerEncode": (_Handle, _Text, _Handle),
    "OgaTokenizerGetEosTokenIds": (_Handle, ctypes.POINTER(_Tokens), ctypes.POINTER(_Size)),
    "OgaCreateSequences": (_Out,),
    "OgaCreateTokenizerStream": (_Handle, _Out),
    "OgaTokenizerStreamDecode": (_Handle, ctypes.c_int32, ctypes.POINTER(_Text)),
    "OgaCreateGeneratorParams": (_Handle, _Out),
    "OgaGeneratorParamsSetSearchNumber": (_Handle, _Text, ctypes.c_double),
    "OgaGeneratorParamsSetSearchBool": (_Handle, _Text, _Bool),
    "OgaGeneratorParamsSetGuidance": (_Handle, _Text, _Text, _Bool),
    "OgaCreateGenerator": (_Handle, _Handle, _Out),
    "OgaGenerator_AppendTokens": (_Handle, _Tokens, _Size),
    "OgaGenerator_GenerateNextToken": (_Handle,),
    "OgaGenerator_GetNextTokens": (_Handle, ctypes.POINTER(_Tokens), ctypes.POINTER(_Size)),
    "OgaGenerator_SetRuntimeOption": (_Handle, _Text, _Text),
}
"""Functions that return an OgaResult: null, or what went wrong."""

_OTHERS: Mapping[str, tuple[Any, tuple[Any, ...]]] = {
    "OgaResultGetError": (_Text, (_Handle,)),
    "OgaGenerator_IsDone": (_Bool, (_Handle,)),
    "OgaSequencesGetSequenceCount": (_Size, (_Handle, _Size)),
    "OgaSequencesGetSequenceData": (_Tokens, (_Handle, _Size)),
    "OgaSetTelemetryEnabled": (None, (_Bool,)),
    **{
        f"OgaDestroy{kind}": (None, (_Handle,))
        for kind in (
            "Config", "Generator", "GeneratorParams", "Model", "Result", "Sequences", "String", "Tokenizer",
            "TokenizerStream",
        )
    },
}  # fmt: skip


class OgaError(EngineError):
    """What the library said went wrong."""


class Library:
    """The loaded library. Telemetry is off before its first instruction runs, and once more by its own switch."""

    def __init__(self) -> None:
        os.environ.update(dict.fromkeys(_TELEMETRY, "1"))  # read by C code, when the library is loaded
        import onnxruntime_genai  # it also finds and loads the ONNX Runtime that it was built for

        self.version: str = onnxruntime_genai.__version__
        self.has_cuda = bool(onnxruntime_genai.is_cuda_available())
        self.has_directml = bool(onnxruntime_genai.is_dml_available())
        folder = Path(onnxruntime_genai.__file__).parent
        found = next((folder / name for name in _LIBRARIES if (folder / name).is_file()), None)
        if found is None:
            raise EngineError(f"onnxruntime-genai {self.version} has no library in {folder}")
        self._dll = ctypes.CDLL(str(found))
        for name, arguments in _RESULTS.items():
            self._declare(name, _Handle, arguments)
        for name, (result, arguments) in _OTHERS.items():
            self._declare(name, result, arguments)
        self.plain("OgaSetTelemetryEnabled", False)

    def _declare(self, name: str, result: Any, arguments: tuple[Any, ...]) -> None:
        function = getattr(self._dll, name)
        function.restype, function.argtypes = result, arguments

    def plain(self, name: str, *arguments: Any) -> Any:
        """Call what cannot fail."""
        return getattr(self._dll, name)(*arguments)

    def call(self, name: str, *arguments: Any) -> None:
        """Call what returns a result. Raises OgaError."""
        result = getattr(self._dll, name)(*arguments)
        if result:
            told = self.plain("OgaResultGetError", result) or b""
            self.plain("OgaDestroyResult", result)
            raise OgaError(told.decode("utf-8", "replace").strip() or f"{name} failed")

    def make(self, name: str, *arguments: Any) -> Any:
        """Call what gives a handle as its last argument."""
        out = _Handle()
        self.call(name, *arguments, ctypes.byref(out))
        return out

    def text(self, name: str, *arguments: Any) -> str:
        """Call what gives a text that is ours to free."""
        out = self.make(name, *arguments)
        try:
            return ctypes.cast(out, _Text).value.decode("utf-8", "replace")  # type: ignore[union-attr]
        finally:
            self.plain("OgaDestroyString", out)

    def decoded(self, stream: Any, token: int) -> str:
        """What a token adds to a stream's text."""
        out = _Text()
        self.call("OgaTokenizerStreamDecode", stream, token, ctypes.byref(out))
        return (out.value or b"").decode("utf-8", "replace")


class Model:
    """A loaded model and its tokenizer."""

    def __init__(self, library: Library, folder: str, overlay: str, providers: Sequence[str] | None) -> None:
        """`providers`: execution providers in their order, none for the processor; None leaves the folder's own."""
        self._library = library
        config = library.make("OgaCreateConfig", folder.encode())
        try:
            library.call("OgaConfigOverlay", config, overlay.encode())
            if providers is not None:
                library.call("OgaConfigClearProviders", config)
                for provider in providers:
                    library.call("OgaConfigAppendProvider", config, provider.encode())
            self._model = library.make("OgaCreateModelFromConfig", config)
        finally:
            library.plain("OgaDestroyConfig", config)
        self._tokenizer = library.make("OgaCreateTokenizer", self._model)
        self.device = library.text("OgaModelGetDeviceType", self._model)
        self.end_tokens = frozenset(self._end_tokens())

    def _end_tokens(self) -> list[int]:
        tokens, count = _Tokens(), _Size()
        self._library.call("OgaTokenizerGetEosTokenIds", self._tokenizer, ctypes.byref(tokens), ctypes.byref(count))
        return tokens[: count.value]

    def chat(self, messages_json: str) -> str:
        """The folder's own chat template over these messages. Raises OgaError where it has none."""
        name = "OgaTokenizerApplyChatTemplate"
        return self._library.text(name, self._tokenizer, None, messages_json.encode(), None, True)

    def encode(self, text: str) -> list[int]:
        """Tokens of a text."""
        sequences = self._library.make("OgaCreateSequences")
        try:
            self._library.call("OgaTokenizerEncode", self._tokenizer, text.encode("utf-8", "replace"), sequences)
            count = self._library.plain("OgaSequencesGetSequenceCount", sequences, 0)
            return self._library.plain("OgaSequencesGetSequenceData", sequences, 0)[:count]  # type: ignore[no-any-return]
        finally:
            self._library.plain("OgaDestroySequences", sequences)

    def splits(self, text: str) -> bool:
        """Whether a character of this text takes several tokens."""
        stream = self._library.make("OgaCreateTokenizerStream", self._tokenizer)
        try:
            return any(not self._library.decoded(stream, token) for token in self.encode(text))
        finally:
            self._library.plain("OgaDestroyTokenizerStream", stream)

    def generation(self, search: Mapping[str, float | bool], schema_json: str | None) -> "Generation":
        """An answer to be made. Raises OgaError for a search option or a schema that the library does not take."""
        return Generation(self._library, (self._model, self._tokenizer), search, schema_json)


class Generation:
    """One answer: tokens in, then a token and its text at each step."""

    def __init__(
        self, library: Library, model: tuple[Any, Any], search: Mapping[str, float | bool], schema_json: str | None
    ) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._generator: Any = None
        params = library.make("OgaCreateGeneratorParams", model[0])
        try:
            for name, value in search.items():
                kind = "Bool" if isinstance(value, bool) else "Number"
                library.call(f"OgaGeneratorParamsSetSearch{kind}", params, name.encode(), value)
            if schema_json is not None:
                library.call("OgaGeneratorParamsSetGuidance", params, b"json_schema", schema_json.encode(), False)
            self._generator = library.make("OgaCreateGenerator", model[0], params)
        finally:
            library.plain("OgaDestroyGeneratorParams", params)
        self._stream = library.make("OgaCreateTokenizerStream", model[1])

    def read(self, tokens: Sequence[int]) -> None:
        """Take in the question."""
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        self._library.call("OgaGenerator_AppendTokens", self._generator, array, len(tokens))

    def step(self) -> int:
        """The next token."""
        self._library.call("OgaGenerator_GenerateNextToken", self._generator)
        tokens, count = _Tokens(), _Size()
        self._library.call("OgaGenerator_GetNextTokens", self._generator, ctypes.byref(tokens), ctypes.byref(count))
        return int(tokens[0])

    def text(self, token: int) -> str:
        """What this token adds to the text: nothing, while a character is not whole."""
        return self._library.decoded(self._stream, token)

    @property
    def is_done(self) -> bool:
        """An end token came, or the length is reached."""
        return bool(self._library.plain("OgaGenerator_IsDone", self._generator))

    def terminate(self) -> None:
        """Break off what is computed now; from any thread. What computes it raises OgaError."""
        with self._lock:
            if self._generator is not None:
                self._library.call("OgaGenerator_SetRuntimeOption", self._generator, b"terminate_session", b"1")

    def close(self) -> None:
        """Free it."""
        with self._lock:
            generator, self._generator = self._generator, None
        if generator is not None:
            self._library.plain("OgaDestroyTokenizerStream", self._stream)
            self._library.plain("OgaDestroyGenerator", generator)
