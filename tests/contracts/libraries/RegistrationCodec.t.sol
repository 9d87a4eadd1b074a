// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RegistrationCodec} from "contracts/libraries/RegistrationCodec.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice The same bytes as Python makes of the same registration.
contract RegistrationCodecTest is DcapFixture {
    string private constant AT = ".registration.sgx0.";

    function setUp() external {
        load();
    }

    function test_split_TakesPythonsReportDataApart() external view {
        bytes memory data = field("reportData");
        (bytes32 first, bytes32 second) = abi.decode(data, (bytes32, bytes32));
        (address signer, uint64 refBlock, bytes32 bound_, uint32 version) =
            RegistrationCodec.split(first, second);
        assertEq(abi.encodePacked(signer), field("signer"), "signer");
        assertEq(refBlock, numberAt(string.concat(AT, "refBlock")), "block");
        assertEq(version, 1, "version");
        assertEq(bound_, bindingOfFixture(), "H");
    }

    function testFuzz_split_LosesNoBit(bytes32 first, bytes32 second) external pure {
        (address signer, uint64 refBlock, bytes32 bound_, uint32 version) =
            RegistrationCodec.split(first, second);
        assertEq(
            abi.encodePacked(signer, refBlock, bound_, version),
            abi.encodePacked(first, second),
            "put together again"
        );
    }

    function test_digest_IsWhatPythonsSignatureSigns() external view {
        bytes32 digest = RegistrationCodec.digest({
            domain: RegistrationCodec.domainSeparator(
                vm.parseJsonAddress(json, string.concat(AT, "registry"))
            ),
            operator: vm.parseJsonAddress(json, string.concat(AT, "operator")),
            hpkeKeyHash: keccak256(field("hpkePublicKey")),
            refBlock: uint64(numberAt(string.concat(AT, "refBlock"))),
            refBlockHash: wordAt(string.concat(AT, "refBlockHash"))
        });
        (bytes32 r, uint256 vs) = abi.decode(field("signature"), (bytes32, uint256));
        address by = ecrecover(digest, uint8(27 + (vs >> 255)), r, bytes32(vs & (2 ** 255 - 1)));
        assertEq(abi.encodePacked(by), field("signer"), "signer");
    }

    function testFuzz_binding_DependsOnEveryArgument(
        address registry,
        address signer,
        bytes32 hash,
        address operator,
        bytes32 hpke
    ) external {
        bytes32 here = RegistrationCodec.binding(registry, signer, hash, operator, hpke);
        address other = address(uint160(signer) ^ 1);
        bytes32[6] memory others = [
            RegistrationCodec.binding(address(uint160(registry) ^ 1), signer, hash, operator, hpke),
            RegistrationCodec.binding(registry, other, hash, operator, hpke),
            RegistrationCodec.binding(registry, signer, ~hash, operator, hpke),
            RegistrationCodec.binding(registry, signer, hash, address(uint160(operator) ^ 1), hpke),
            RegistrationCodec.binding(registry, signer, hash, operator, ~hpke),
            0
        ];
        vm.chainId(1337);
        others[5] = RegistrationCodec.binding(registry, signer, hash, operator, hpke);
        for (uint256 i; i < others.length; ++i) {
            assertTrue(others[i] != here, "independent of it");
        }
    }

    function bindingOfFixture() private view returns (bytes32) {
        return RegistrationCodec.binding({
            registry: vm.parseJsonAddress(json, string.concat(AT, "registry")),
            signer: vm.parseJsonAddress(json, string.concat(AT, "signer")),
            refBlockHash: wordAt(string.concat(AT, "refBlockHash")),
            operator: vm.parseJsonAddress(json, string.concat(AT, "operator")),
            hpkeKeyHash: keccak256(field("hpkePublicKey"))
        });
    }

    function field(string memory key) private view returns (bytes memory) {
        return bytesAt(string.concat(AT, key));
    }
}
