# "proxy_cache cached;" in a block means a cache of the block's own, since a cache outlives a reload.
#
#   own_cache(CONFIG)   the configuration with that cache's name, and what the http block needs, '' where there is none

package Caches;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(own_cache);

my $cache = 'cached00';

sub own_cache {
    my ($config) = @_;
    $cache++;
    my $found = $config =~ s/\bproxy_cache cached;/proxy_cache $cache;/g;
    return ($config, $found ? "proxy_cache_path ${cache}_cache keys_zone=$cache:1m;\n" : '');
}

1;
