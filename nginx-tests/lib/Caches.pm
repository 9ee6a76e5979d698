# Gives each block a cache of its own, since a cache outlives a reload: "proxy_cache cached;" is replaced with its name.
#
#   own_cache(CONFIG)   the configuration with that name, and the directives for the http block, '' without a cache

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
