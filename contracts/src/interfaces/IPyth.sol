// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A price with its uncertainty: (price ± conf) · 10^expo.
struct PythPrice {
    int64 price;
    /// @dev Half the width of the interval around the price, in the same unit.
    uint64 conf;
    /// @dev Minus the decimals.
    int32 expo;
    /// @dev Seconds since the epoch.
    uint256 publishTime;
}

/// @notice A price and its exponential moving average.
struct PythPriceFeed {
    bytes32 id;
    PythPrice price;
    PythPrice emaPrice;
}

/// @notice A time-weighted average.
struct PythTwapPriceFeed {
    bytes32 id;
    uint64 startTime;
    uint64 endTime;
    PythPrice twap;
    uint32 downSlotsRatio;
}

/// @title Prices that are updated by whoever reads them
/// @dev Functions, errors and selectors as Pyth publishes them, less the events, which readers do not see.
interface IPyth {
    /// @notice The price does not exist.
    error PriceFeedNotFound();
    /// @notice The price is older than asked for.
    error StalePrice();
    /// @notice An update of one of the prices, published in the range, is missing.
    error PriceFeedNotFoundWithinRange();
    /// @notice None of the updates is newer than what is there.
    error NoFreshUpdate();
    /// @notice The arguments do not match.
    error InvalidArgument();

    /// @notice Take updates into storage.
    function updatePriceFeeds(bytes[] calldata updateData) external payable;

    /// @notice Take updates into storage if at least one of the prices is older than wanted.
    /// @param publishTimes For each of `priceIds` the moment that is wanted, in seconds since the epoch.
    function updatePriceFeedsIfNecessary(
        bytes[] calldata updateData,
        bytes32[] calldata priceIds,
        uint64[] calldata publishTimes
    ) external payable;

    /// @notice Prices published in a range of time, both ends included, without storing them.
    /// @return priceFeeds In the order of `priceIds`.
    function parsePriceFeedUpdates(
        bytes[] calldata updateData,
        bytes32[] calldata priceIds,
        uint64 minPublishTime,
        uint64 maxPublishTime
    ) external payable returns (PythPriceFeed[] memory priceFeeds);

    /// @notice As `parsePriceFeedUpdates`, with more to choose.
    function parsePriceFeedUpdatesWithConfig(
        bytes[] calldata updateData,
        bytes32[] calldata priceIds,
        uint64 minAllowedPublishTime,
        uint64 maxAllowedPublishTime,
        bool checkUniqueness,
        bool checkUpdateDataIsMinimal,
        bool storeUpdatesIfFresh
    ) external payable returns (PythPriceFeed[] memory priceFeeds, uint64[] memory slots);

    /// @notice Time-weighted averages, without storing them.
    function parseTwapPriceFeedUpdates(bytes[] calldata updateData, bytes32[] calldata priceIds)
        external
        payable
        returns (PythTwapPriceFeed[] memory twapPriceFeeds);

    /// @notice As `parsePriceFeedUpdates`, only the first price in the range.
    function parsePriceFeedUpdatesUnique(
        bytes[] calldata updateData,
        bytes32[] calldata priceIds,
        uint64 minPublishTime,
        uint64 maxPublishTime
    ) external payable returns (PythPriceFeed[] memory priceFeeds);

    /// @notice The latest price, however old.
    function getPriceUnsafe(bytes32 id) external view returns (PythPrice memory price);

    /// @notice The latest price, if it was published at most `age` seconds from now.
    function getPriceNoOlderThan(bytes32 id, uint256 age)
        external
        view
        returns (PythPrice memory price);

    /// @notice The latest moving average, however old.
    function getEmaPriceUnsafe(bytes32 id) external view returns (PythPrice memory price);

    /// @notice The latest moving average, if it was published at most `age` seconds from now.
    function getEmaPriceNoOlderThan(bytes32 id, uint256 age)
        external
        view
        returns (PythPrice memory price);

    /// @notice What the update costs, in wei.
    function getUpdateFee(bytes[] calldata updateData) external view returns (uint256 feeAmount);

    /// @notice What averages cost, in wei.
    function getTwapUpdateFee(bytes[] calldata updateData) external view returns (uint256 feeAmount);
}
