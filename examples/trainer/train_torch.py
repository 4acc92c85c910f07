"""A trainer for `veilsum join --exec` on PyTorch: any `torch.nn.Module`, here a small perceptron. Needs torch and numpy.

    python3 train_torch.py --init model.safetensors --data digits.csv
    veilsum join --config member.toml --exec 'python3 train_torch.py --data digits.csv --part 0/3' --rounds 10

The options are those of train_numpy.py.
"""

import os

import numpy as np
import torch

import tensor_file
from train_numpy import arguments, examples


def network(inputs, classes):
    torch.manual_seed(0)  # all members start from the coordinator's model; the seed matters for --init alone
    return torch.nn.Sequential(torch.nn.Linear(inputs, 32), torch.nn.ReLU(), torch.nn.Linear(32, classes))


def tensors(module):
    return {name: value.detach().numpy().astype(np.float32) for name, value in module.state_dict().items()}


def load(module, path):
    values = {name: torch.from_numpy(value.copy()) for name, value in tensor_file.load(path).items()}
    module.load_state_dict(values)


def train(module, features, labels, args, seed):
    optimizer = torch.optim.SGD(module.parameters(), lr=args.rate, momentum=0.9)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(args.epochs):
        for rows in torch.randperm(len(labels), generator=generator).split(args.batch):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(features[rows]), labels[rows]).backward()
            optimizer.step()


def main():
    args = arguments()
    features, labels, classes = examples(args, held_out=bool(args.evaluate))
    features, labels = torch.from_numpy(features).float(), torch.from_numpy(labels)
    module = network(features.shape[1], classes)
    if args.evaluate:
        load(module, args.evaluate)
        found = module(features).argmax(dim=1)
        print(f"accuracy {(found == labels).float().mean():.4f} on {len(labels)} rows")
        return
    if args.init:
        tensor_file.save(args.init, tensors(module))
        return

    load(module, os.environ["VEILSUM_MODEL"])
    before = tensors(module)
    part = int(args.part.split("/")[0])
    train(module, features, labels, args, seed=1000 * int(os.environ["VEILSUM_ROUND"]) + part)
    after = tensors(module)
    tensor_file.save(os.environ["VEILSUM_UPDATE"], {name: after[name] - before[name] for name in before})
    with open(os.environ["VEILSUM_WEIGHT"], "w") as file:
        file.write(str(len(labels)))


if __name__ == "__main__":
    main()
