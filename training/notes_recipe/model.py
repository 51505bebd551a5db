"""A small Llama: RMS norm, rotary positions, SwiGLU, tied embeddings. Parameter names are those of `transformers`."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from notes_recipe.shape import NORM_EPS, ROPE_THETA, Shape


def rotary(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines, [length, head width]."""
    steps = torch.arange(0, shape.head_width, 2).float() / shape.head_width
    angles = torch.outer(torch.arange(length).float(), ROPE_THETA**-steps)
    angles = torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


def _turn(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = states.shape[-1] // 2
    return states * cos + torch.cat((-states[..., half:], states[..., :half]), -1) * sin


class Attention(nn.Module):
    """Causal self-attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.k_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Mix what each position may see; [rows, length, width] in and out."""
        rows, length, width = states.shape
        query, key, value = (
            projection(states).view(rows, length, self.heads, -1).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(
            _turn(query, cos, sin), _turn(key, cos, sin), value, is_causal=True
        )
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(rows, length, width))
        return out


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.down_proj = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """Each position by itself."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(states)) * self.up_proj(states))
        return out


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        self.input_layernorm = nn.RMSNorm(shape.width, eps=NORM_EPS)
        self.post_attention_layernorm = nn.RMSNorm(shape.width, eps=NORM_EPS)

    def forward(self, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Add both to the residual stream."""
        states = states + self.self_attn(self.input_layernorm(states), cos, sin)
        out: Tensor = states + self.mlp(self.post_attention_layernorm(states))
        return out


class Llama(nn.Module):
    """The stack; `forward` gives final hidden states, `logits` scores them against the tied embeddings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=NORM_EPS)
        self._initialise()

    def _initialise(self) -> None:
        """Width^-0.5 for embeddings (0.02 learned nothing in the same time), smaller for what writes to the stream."""
        scale = self.shape.width**-0.5
        for name, weight in self.named_parameters():
            if weight.dim() == 1:
                continue
            writes = name.endswith(("o_proj.weight", "down_proj.weight"))
            gain = 1.0 if "embed" in name else 0.5 / self.shape.layers**0.5 if writes else 0.6
            nn.init.normal_(weight, std=scale * gain)

    def forward(self, ids: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Hidden states [rows, length, width] of token ids [rows, length]."""
        states = self.embed_tokens(ids)
        for layer in self.layers:
            states = layer(states, cos, sin)
        out: Tensor = self.norm(states)
        return out

    def logits(self, states: Tensor) -> Tensor:
        """Scores over the vocabulary."""
        return states @ self.embed_tokens.weight.T

    def parameter_count(self) -> int:
        """How many weights there are, tied ones once."""
        return sum(weight.numel() for weight in self.parameters())
