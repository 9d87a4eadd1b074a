// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a registration is bound to; shared with `enclave/domain/evidence.py`, byte for
///         byte.
/// @dev Report data is `signer 20 | refBlock u64 | H 32 | layout version u32`, big-endian.
library RegistrationCodec {
    uint32 internal constant LAYOUT_VERSION = 1;
    bytes32 internal constant DOMAIN = keccak256("confidential-oracle.registration.v1");
    bytes32 private constant DOMAIN_TYPE_HASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant REGISTRATION_TYPE_HASH = keccak256(
        "Registration(address operator,bytes32 hpkeKeyHash,uint64 refBlock,bytes32 refBlockHash)"
    );

    /// @notice H: what the enclave commits to besides signer and block height.
    function binding(
        address registry,
        address signer,
        bytes32 refBlockHash,
        address operator,
        bytes32 hpkeKeyHash
    ) internal view returns (bytes32) {
        bytes32 extension = keccak256(abi.encode(operator, hpkeKeyHash));
        return
            keccak256(abi.encode(DOMAIN, block.chainid, registry, signer, refBlockHash, extension));
    }

    /// @notice The four fields of the report data.
    function split(bytes32 first, bytes32 second)
        internal
        pure
        returns (address signer, uint64 refBlock, bytes32 bound, uint32 version)
    {
        // forge-lint: disable-start(unsafe-typecast) each cast takes a field out of a word
        signer = address(bytes20(first));
        refBlock = uint64(bytes8(first << 160));
        version = uint32(uint256(second));
        // forge-lint: disable-end(unsafe-typecast)
        bound = (first << 224) | (second >> 32);
    }

    /// @notice EIP-712 domain separator of a registry on this chain.
    function domainSeparator(address registry) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPE_HASH,
                keccak256("ConfidentialOracle"),
                keccak256("1"),
                block.chainid,
                registry
            )
        );
    }

    /// @notice EIP-712 digest that the signer signs.
    function digest(
        bytes32 domain,
        address operator,
        bytes32 hpkeKeyHash,
        uint64 refBlock,
        bytes32 refBlockHash
    ) internal pure returns (bytes32) {
        bytes32 hash = keccak256(
            abi.encode(REGISTRATION_TYPE_HASH, operator, hpkeKeyHash, refBlock, refBlockHash)
        );
        return keccak256(abi.encodePacked(hex"1901", domain, hash));
    }
}
