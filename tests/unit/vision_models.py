"""Tiny vision-language models of several architectures, built from their configs with random weights."""

from typing import Any

import torch
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor
from transformers.models.internvl.processing_internvl import InternVLProcessor
from transformers.models.llava.processing_llava import LlavaProcessor
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor

TEMPLATE = """\
{%- for message in messages -%}
{{ '<' + message['role'] + '> ' }}
{%- if message['content'] is string -%}{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}{{ ' IMAGE ' }}{%- else -%}{{ part['text'] }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ ' <end> ' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<assistant> ' }}{%- endif -%}
"""
SPREAD = 0.3
"""Of random weights: wide enough that different images give different answers."""
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": None,
    "initializer_range": SPREAD,
}
TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": SPREAD,
}


def with_words(tokenizer: Any, mark: str, *others: str) -> dict[str, int]:
    """Adds the image mark and its company; returns their ids."""
    tokenizer.add_special_tokens({"additional_special_tokens": [mark, *others]})
    tokenizer.chat_template = TEMPLATE.replace("IMAGE", mark)
    return {word: tokenizer.convert_tokens_to_ids(word) for word in (mark, *others)}


IDEFICS_MARKS = ("<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
IDEFICS_SIDE = {"longest_edge": 64}


def idefics_config(kind: type, tokenizer: Any, token: int) -> Any:
    """16 tokens an image: 64 pixels square, patches of 8, four shuffled into one."""
    return kind(
        image_token_id=token,
        scale_factor=2,
        pad_token_id=0,
        vision_config={**TOWER, "image_size": 64, "patch_size": 8},
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **TEXT},
    )


def idefics3(tokenizer: Any, seed: int = 0, splits: bool = False) -> tuple[Any, Any]:
    """Whole pictures, or with `splits` also their tiles."""
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)] if splits else []
    ids = with_words(tokenizer, "<image>", *IDEFICS_MARKS, *tiles)
    pixels = Idefics3ImageProcessorPil(
        do_image_splitting=splits,
        size={"longest_edge": 128} if splits else IDEFICS_SIDE,
        max_image_size=IDEFICS_SIDE,
    )
    processor = Idefics3Processor(pixels, tokenizer, image_seq_len=16, chat_template=tokenizer.chat_template)
    torch.manual_seed(seed)
    config = idefics_config(Idefics3Config, tokenizer, ids["<image>"])
    return Idefics3ForConditionalGeneration(config).eval(), processor


def tiles(tokenizer: Any, seed: int = 0) -> tuple[Any, Any]:
    return idefics3(tokenizer, seed, splits=True)


def llava(tokenizer: Any, seed: int = 0) -> tuple[Any, Any]:
    """16 tokens an image: CLIP's patches, 32 pixels square by 8."""
    ids = with_words(tokenizer, "<image>")
    pixels = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        pixels,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )
    config = LlavaConfig(
        image_token_id=ids["<image>"],
        vision_config={"model_type": "clip_vision_model", **TOWER, "image_size": 32, "patch_size": 8},
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **TEXT},
        vision_feature_layer=-1,
    )
    torch.manual_seed(seed)
    return LlavaForConditionalGeneration(config).eval(), processor


def images_alone(kind: type) -> type:
    """A processor without its half for video, which needs torchvision."""
    return type("ImagesAlone", (kind,), {"check_argument_for_proper_class": lambda *arguments: None})


def qwen2_vl(tokenizer: Any, seed: int = 0) -> tuple[Any, Any]:
    """Any resolution, and positions that follow height and width."""
    marks = ("<|vision_start|>", "<|vision_end|>", "<|video_pad|>")
    ids = with_words(tokenizer, "<|image_pad|>", *marks)
    pixels = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=28 * 28 * 8)
    processor = images_alone(Qwen2VLProcessor)(pixels, tokenizer, chat_template=tokenizer.chat_template)
    tower = {"embed_dim": 32, "hidden_size": 32, "depth": 2, "num_heads": 4, "mlp_ratio": 2}
    config = Qwen2VLConfig(
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        vision_config={**tower, "initializer_range": SPREAD},
        text_config={
            "vocab_size": len(tokenizer),
            **TEXT,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [1, 1, 2],
            },
        },
    )
    torch.manual_seed(seed)
    return Qwen2VLForConditionalGeneration(config).eval(), processor


def smolvlm(tokenizer: Any, seed: int = 0) -> tuple[Any, Any]:
    """As Idefics3, with a processor of its own."""
    ids = with_words(tokenizer, "<image>", *IDEFICS_MARKS)
    pixels = SmolVLMImageProcessorPil(
        do_image_splitting=False, size=IDEFICS_SIDE, max_image_size=IDEFICS_SIDE
    )
    processor = images_alone(SmolVLMProcessor)(
        pixels, tokenizer, None, image_seq_len=16, chat_template=tokenizer.chat_template
    )
    torch.manual_seed(seed)
    config = idefics_config(SmolVLMConfig, tokenizer, ids["<image>"])
    return SmolVLMForConditionalGeneration(config).eval(), processor


def internvl(tokenizer: Any, seed: int = 0) -> tuple[Any, Any]:
    """4 tokens an image: 32 pixels square, patches of 8, four made one."""
    marks = {
        "context_image_token": "<IMG_CONTEXT>",
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "video_token": "<video>",
    }
    ids = with_words(tokenizer, *marks.values())
    for name, word in marks.items():
        setattr(tokenizer, name, word)
        setattr(tokenizer, f"{name}_id", ids[word])
    processor = images_alone(InternVLProcessor)(
        GotOcr2ImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer,
        None,
        image_seq_length=4,
        chat_template=tokenizer.chat_template,
    )
    config = InternVLConfig(
        image_token_id=ids["<IMG_CONTEXT>"],
        image_seq_length=4,
        downsample_ratio=0.5,
        vision_config={**TOWER, "image_size": [32, 32], "patch_size": [8, 8]},
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **TEXT},
    )
    torch.manual_seed(seed)
    return InternVLForConditionalGeneration(config).eval(), processor


def qwen2_5_vl(tokenizer: Any, seed: int = 0) -> tuple[Any, Any]:
    """As Qwen2-VL, with windows of attention in the tower."""
    marks = ("<|vision_start|>", "<|vision_end|>", "<|video_pad|>")
    ids = with_words(tokenizer, "<|image_pad|>", *marks)
    pixels = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=28 * 28 * 8)
    processor = images_alone(Qwen2_5_VLProcessor)(pixels, tokenizer, chat_template=tokenizer.chat_template)
    rotation = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    config = Qwen2_5_VLConfig(
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        vision_config={
            "hidden_size": 32,
            "out_hidden_size": 32,
            "depth": 2,
            "num_heads": 4,
            "intermediate_size": 64,
            "fullatt_block_indexes": [1],
            "window_size": 56,
            "initializer_range": SPREAD,
        },
        text_config={"vocab_size": len(tokenizer), **TEXT, "rope_parameters": rotation},
    )
    torch.manual_seed(seed)
    return Qwen2_5_VLForConditionalGeneration(config).eval(), processor


def qwen3_vl(tokenizer: Any, seed: int = 0) -> tuple[Any, Any]:
    """Puts features of images into deeper layers too."""
    marks = ("<|vision_start|>", "<|vision_end|>", "<|video_pad|>")
    ids = with_words(tokenizer, "<|image_pad|>", *marks)
    pixels = Qwen2VLImageProcessorPil(min_pixels=32 * 32, max_pixels=32 * 32 * 8, patch_size=16)

    processor = images_alone(Qwen3VLProcessor)(pixels, tokenizer, chat_template=tokenizer.chat_template)
    rotation = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [1, 1, 2],
        "mrope_interleaved": True,
    }
    config = Qwen3VLConfig(
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        vision_config={
            "hidden_size": 32,
            "out_hidden_size": 32,
            "depth": 3,
            "num_heads": 4,
            "intermediate_size": 64,
            "deepstack_visual_indexes": [0, 1],
            "num_position_embeddings": 64,
            "initializer_range": SPREAD,
        },
        text_config={"vocab_size": len(tokenizer), **TEXT, "head_dim": 8, "rope_parameters": rotation},
    )
    torch.manual_seed(seed)
    return Qwen3VLForConditionalGeneration(config).eval(), processor


ARCHITECTURES = {"idefics3": idefics3, "llava": llava, "qwen2_vl": qwen2_vl}
"""That engine and trainer are tested with."""
ALSO_SERVED = {"tiles": tiles, "smolvlm": smolvlm, "internvl": internvl, "qwen2_5_vl": qwen2_5_vl}
