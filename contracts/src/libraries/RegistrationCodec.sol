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
    bytes32 private constant NAME_HASH = keccak256("ConfidentialOracle");
    bytes32 private constant VERSION_HASH = keccak256("1");
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
    ) internal view returns (bytes32 hash) {
        bytes32 domain = DOMAIN;
        assembly ("memory-safe") {
            // abi.encode of each, behind what is allocated: hashed at once, it need not stay.
            let start := mload(0x40)
            mstore(start, shr(96, shl(96, operator)))
            mstore(add(start, 0x20), hpkeKeyHash)
            let extension := keccak256(start, 0x40)
            mstore(start, domain)
            mstore(add(start, 0x20), chainid())
            mstore(add(start, 0x40), shr(96, shl(96, registry)))
            mstore(add(start, 0x60), shr(96, shl(96, signer)))
            mstore(add(start, 0x80), refBlockHash)
            mstore(add(start, 0xa0), extension)
            hash := keccak256(start, 0xc0)
        }
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
    function domainSeparator(address registry) internal view returns (bytes32 hash) {
        bytes32 typeHash = DOMAIN_TYPE_HASH;
        bytes32 name = NAME_HASH;
        bytes32 version = VERSION_HASH;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            mstore(add(start, 0x20), name)
            mstore(add(start, 0x40), version)
            mstore(add(start, 0x60), chainid())
            mstore(add(start, 0x80), shr(96, shl(96, registry)))
            hash := keccak256(start, 0xa0)
        }
    }

    /// @notice EIP-712 digest that the signer signs.
    function digest(
        bytes32 domain,
        address operator,
        bytes32 hpkeKeyHash,
        uint64 refBlock,
        bytes32 refBlockHash
    ) internal pure returns (bytes32 hash) {
        bytes32 typeHash = REGISTRATION_TYPE_HASH;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            mstore(add(start, 0x20), shr(96, shl(96, operator)))
            mstore(add(start, 0x40), hpkeKeyHash)
            mstore(add(start, 0x60), and(refBlock, 0xFFFFFFFFFFFFFFFF))
            mstore(add(start, 0x80), refBlockHash)
            let structHash := keccak256(start, 0xa0)
            mstore(start, shl(240, 0x1901))
            mstore(add(start, 0x02), domain)
            mstore(add(start, 0x22), structHash)
            hash := keccak256(start, 0x42)
        }
    }
}
